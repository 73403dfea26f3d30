package store

import "context"

type aboutKey struct{}

// About returns a context whose Updates concern a resource, under any name that stays the same. It has no
// effect on the result of an Update. A store with concurrent Updates may let those of one resource wait
// for each other instead of repeating them.
func About(ctx context.Context, resource string) context.Context {
	return context.WithValue(ctx, aboutKey{}, resource)
}

// IsAbout returns the resource that About named; "" without one.
func IsAbout(ctx context.Context) string {
	resource, _ := ctx.Value(aboutKey{}).(string)
	return resource
}

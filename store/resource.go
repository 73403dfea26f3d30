package store

import "context"

type aboutKey struct{}

// About says in a context which resource the Updates made with it are about, by any name that is always the same. It changes nothing
// of what an Update does. A store in which Updates run at the same time may let those about one resource wait for each other, instead
// of undoing all but one.
func About(ctx context.Context, resource string) context.Context {
	return context.WithValue(ctx, aboutKey{}, resource)
}

// IsAbout is what About said; "" if nothing.
func IsAbout(ctx context.Context) string {
	resource, _ := ctx.Value(aboutKey{}).(string)
	return resource
}

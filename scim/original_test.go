package scim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// TestOriginalValues: once an identifying value of a user changes, the first values are stored.
func TestOriginalValues(t *testing.T) {
	first := []string{"linus@example.com", "linus@example.com", ""}
	w := newWorld(t)
	w.seed()
	original := func() (out []string) {
		t.Helper()
		err := w.store.View(t.Context(), func(tx store.Tx) error {
			u, err := tx.Directory("acme").User(linus)
			out = u.Original
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, step := range []struct {
		method, body string
		want         []string
	}{
		{"PATCH", patchHead + `[{"op":"replace","value":{"displayName":"Linus"}}]}`, nil},
		{"PATCH", patchHead + `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"LINUS@example.com"}]}`, nil},
		{"PATCH", patchHead + `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"partner@example.com"}]}`, first},
		{"PUT", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"torvalds","emails":[{"value":"third@example.com","primary":true}]}`, first},
		{"PATCH", patchHead + `[{"op":"replace","value":{"active":false}}]}`, first},
	} {
		if a := w.do(step.method, "/Users/"+linus, step.body); a.status != 200 {
			t.Fatalf("%s: %d %s", step.method, a.status, a.body)
		}
		if got := original(); !slices.EqualFunc(got, step.want, strings.EqualFold) {
			t.Errorf("after %s %s: %q, want %q", step.method, step.body, got, step.want)
		}
	}
}

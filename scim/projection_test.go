package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestProjectionOfParts(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	w.seed()
	managed := "/Users/a0a0a0a0-0000-4000-8000-000000000001"
	for _, c := range []struct{ path, part, want string }{
		{"/Groups/gid?attributes=members.value", "members", "map[value:" + linus + "]"},
		{"/Groups/gid?excludedAttributes=members.value,members.type", "members", "map[$ref:"},
		{"/Groups?attributes=members.type&filter=id%20eq%20%22gid%22", "Resources", "members:[map[type:User]"},
		{managed + "?attributes=" + ent + ":manager.value", ent, "map[manager:map[value:00aa00aa-0000-4000-8000-000000000002]]"},
		{managed + "?excludedAttributes=" + ent + ":manager.value", ent, "<nil>"},
		{managed + "?excludedAttributes=name.givenName,name.familyName", "name", "<nil>"},
		{managed + "?attributes=urn:ietf:params:scim:schemas:core:2.0:User", "userName", "managed@example.com"},
		{managed + "?attributes=urn:ietf:params:scim:schemas:core:2.0:User", ent, "<nil>"},
		{managed + "?excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:User", ent, "map[manager:"},
		{managed + "?excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:User", "userName", "<nil>"},
	} {
		if got := fmt.Sprint(w.must(200, "GET", c.path, "").json(t)[c.part]); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s is %s, want %s", c.path, c.part, got, c.want)
		}
	}
}

// TestProjectionOfUnknownLongName: a client that wants only an unknown attribute gets no other.
func TestProjectionOfUnknownLongName(t *testing.T) {
	w := newWorld(t)
	w.seed()
	long := strings.Repeat("n", 300)
	for _, path := range []string{"/Users/" + ada + "?attributes=" + long, "/Groups/gid?attributes=" + long, "/Groups/gid?attributes=" + long + "," + long} {
		if got := w.must(200, "GET", path, "").json(t); len(got) != 2 || got["id"] == nil || got["schemas"] == nil {
			t.Errorf("%s: %v", path[:30], got)
		}
	}
	if got := w.must(200, "GET", "/Groups/gid?excludedAttributes="+long, "").json(t); got["displayName"] == nil || got["members"] == nil {
		t.Errorf("%v", got)
	}
}

func TestMemberPartsIgnoreCase(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(200, "PUT", "/Groups/gid", `{"displayName":"VT Admins","members":[{"Value":"u1","Type":"User"},"u2"]}`)
	if got := w.membersOf("gid"); !slices.Equal(got, []string{"User u1", "User u2"}) {
		t.Errorf("%q", got)
	}
}

// TestExtensionForms: an extension in two forms and another letter case is stored completely.
func TestExtensionForms(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	for i := range 20 { // the order of a map is another one every time
		a := w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":"u%d","%s":{"department":"a"},"%s:employeeNumber":"7"}`, i, strings.ToUpper(ent), ent)).json(t)
		if got := fmt.Sprint(a[ent]); got != "map[department:a employeeNumber:7]" {
			t.Fatal(got)
		}
	}
}

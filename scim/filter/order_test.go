package filter

import (
	"slices"
	"strings"
	"testing"
)

// TestOrder puts resources in order by attributes of every type.
func TestOrder(t *testing.T) {
	with := func(name string, v any) map[string]any { return map[string]any{name: v} }
	extra := func(name string, v any) map[string]any {
		return with("urn:example:Extra", with(name, v))
	}
	for _, c := range []struct {
		by        string
		resources []map[string]any // in order
		ties      bool
	}{
		{"userName", []map[string]any{with("userName", "ada"), with("userName", "Bob"), with("userName", "carl"), {}}, false},
		{"id", []map[string]any{with("id", "B"), with("id", "a")}, false},
		{"name.familyName", []map[string]any{with("name", with("familyName", "Hopper")), with("name", with("familyName", "lovelace"))}, false},
		{"active", []map[string]any{with("active", false), with("active", true)}, false},
		{"meta.created", []map[string]any{with("meta", with("created", "2026-01-01T00:00:00.5Z")), with("meta", with("created", "2026-01-01T02:00:00+01:00"))}, false},
		{"level", []map[string]any{extra("level", -7.0), extra("level", -1.0), extra("level", 0.0), extra("level", 2.0), extra("level", 10.0)}, false},
		{"emails", []map[string]any{
			with("emails", []any{with("value", "z@x"), map[string]any{"value": "A@x", "primary": true}}), with("emails", []any{with("value", "b@x")}), with("emails", []any{})}, false},
		{"tags", []map[string]any{extra("tags", []any{"blue", "a"}), extra("tags", []any{"Green"})}, false},
		{"userName", []map[string]any{with("userName", "ADA"), with("userName", "ada")}, true},
	} {
		o, err := userSchema().Ordering(c.by)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, r := range c.resources {
			key, ok := o.Key(r)
			if !ok {
				key = "\xff" // last
			}
			keys = append(keys, key)
		}
		if !slices.IsSorted(keys) || c.ties != (keys[0] == keys[1]) {
			t.Errorf("%s: %q", c.by, keys)
		}
	}
	for _, by := range []string{"", "foo", "name", "emails[type eq \"work\"]", "emails[type eq \"work\"].value", "(", strings.Repeat("a", 5000)} {
		if _, err := userSchema().Ordering(by); err == nil {
			t.Errorf("sortBy %q is accepted", by)
		}
	}
	if o, err := userSchema().Ordering("EMAILS"); err != nil || o.Path() != "emails.value" {
		t.Errorf("%q, %v", o.Path(), err)
	}
}

// TestFilterOverOtherKind evaluates over one kind of resource a filter that names attributes of
// another.
func TestFilterOverOtherKind(t *testing.T) {
	s := userSchema()
	s.Others = []Schema{{Core: groupSchema()}}
	for text, want := range map[string]bool{`members pr`: false, `not (members.value eq "x")`: true, `members pr or userName pr`: true, `members[value eq "x"]`: false,
		`urn:ietf:params:scim:schemas:core:2.0:Group:members eq "x"`: false, `members ne "x"`: true} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Match(e, map[string]any{"userName": "x", "members": "not this"}, s); err != nil || got != want {
			t.Errorf("%s: %t, %v", text, got, err)
		}
	}
}

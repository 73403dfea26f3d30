package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// A changed externalId may be what a rule selects by, or what finds the account: every user that it
// concerns is marked.
func TestExternalIDMarks(t *testing.T) {
	const (
		groupPut = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins","externalId":"x"}`
		userPut  = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"grace@example.com","externalId":"x","active":true,"emails":[{"value":"grace@example.com","primary":true}]}`
		patch    = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"externalId","value":"x"}]}`
		drop     = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"externalId"}]}`
		whole    = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"externalId":"x"}}]}`
		everyone = "t-VT Admins "
	)
	for name, c := range map[string]struct {
		method, path, body string
		first              string // a request before it
		mark               string
	}{
		"group, PATCH":           {"PATCH", "/Groups/gid", patch, "", everyone},
		"group, PATCH of a part": {"PATCH", "/Groups/gid", whole, "", everyone},
		"group, PUT":             {"PUT", "/Groups/gid", groupPut, "", everyone},
		"group, taken away":      {"PATCH", "/Groups/gid", drop, patch, everyone},
		"user, PATCH":            {"PATCH", "/Users/" + grace, patch, "", everyone + grace},
		"user, PATCH of a part":  {"PATCH", "/Users/" + grace, whole, "", everyone + grace},
		"user, PUT":              {"PUT", "/Users/" + grace, userPut, "", everyone + grace},
		"user, taken away":       {"PATCH", "/Users/" + grace, drop, patch, everyone + grace},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			if c.first != "" {
				w.do("PATCH", c.path, c.first)
				w.settle()
			}
			if a := w.do(c.method, c.path, c.body); a.status >= 300 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if marks := w.state().marks; !slices.Contains(marks, c.mark) {
				t.Errorf("marks %q, want %q among them", marks, c.mark)
			}
		})
	}
}

// settle ends all marks, as a worker does.
func (w *world) settle() {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		var all []store.Mark
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil {
				return err
			}
			all = append(all, m)
		}
		for _, m := range all {
			if _, err := tx.Work("vt").Settle(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// The members of a deleted group are marked one by one, or, if they are many, all at once.
func TestDeletedGroupMarks(t *testing.T) {
	for _, n := range []int{1, 1000, 1001, 2500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t)
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprint("m", i)
			}
			w.members("large", "Large", ids)
			w.must(204, "DELETE", "/Groups/large", "")
			marks := w.state().marks
			if swept := slices.Contains(marks, "t-Large "); swept != (n > 1000) {
				t.Errorf("swept: %v", swept)
			}
			if n <= 1000 && len(marks) != n+1 { // and the settings of the target
				t.Errorf("%d marks: %s", len(marks), strings.Join(marks[:min(len(marks), 5)], ", "))
			}
		})
	}
}

// members makes a group with members.
func (w *world) members(id, name string, members []string) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		d := tx.Directory("acme")
		if err := d.PutGroup(store.Group{ID: id, DisplayName: name, Version: 1, Attributes: []byte(`{}`)}); err != nil {
			return err
		}
		_, err := d.AddMembers(id, members...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

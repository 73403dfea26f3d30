package scim_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// TestExternalIDMarks: a rule may select by an externalId, and it may find an account, so its
// change marks every user concerned.
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

// TestDeletedGroupMarks: the members of a deleted group get a mark each, or one for all if they are
// many.
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

// TestOtherRulesInForce changes users and groups through a replica with other rules than the worker
// of a backend: every change is marked there on every target.
func TestOtherRulesInForce(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		want               string
	}{
		"a member comes": {"PATCH", "/Groups/gid", `{"Operations":[{"op":"add","path":"members","value":[{"value":"u1"}]}]}`, "* u1"},
		"a member goes":  {"PATCH", "/Groups/gid", `{"Operations":[{"op":"remove","path":"members[value eq \"u3\"]"}]}`, "* u3"},
		"renamed":        {"PATCH", "/Groups/gid", `{"Operations":[{"op":"replace","path":"displayName","value":"Other"}]}`, "* "},
		"deleted":        {"DELETE", "/Groups/gid", "", "* u3"},
		"new":            {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"New"}`, "* *"},
		"an attribute":   {"PATCH", "/Users/u3", `{"Operations":[{"op":"replace","path":"title","value":"Boss"}]}`, "* u3"},
		"a new user":     {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"new@example.com"}`, "* new-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			w.others = []string{"vt"}
			if a := w.do(c.method, c.path, c.body); a.status >= 300 {
				t.Fatalf("%d: %s", a.status, a.body)
			}
			if got := w.state().marks; !slices.Contains(got, c.want) {
				t.Errorf("marks %q, want %q among them", got, c.want)
			}
		})
	}
}

func TestMarks(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		marks              []string
	}{
		"add":                 {"PATCH", "/Groups/gid", patchHead + `[{"op":"add","path":"members","value":[{"value":"uid"},{"value":"` + linus + `"}]}]}`, []string{"t-VT Admins uid"}},
		"nothing new":         {"PATCH", "/Groups/gid", patchHead + `[{"op":"add","path":"members","value":[{"value":"` + linus + `"}]}]}`, nil},
		"deactivate":          {"PATCH", "/Users/" + linus, patchHead + `[{"op":"replace","value":{"active":false}}]}`, []string{"t-VT Admins " + linus}},
		"e-mail":              {"PATCH", "/Users/" + linus, patchHead + `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"l@example.com"}]}`, []string{"t-VT Admins " + linus}},
		"a nickname":          {"PATCH", "/Users/" + linus, patchHead + `[{"op":"replace","path":"nickName","value":"l"}]}`, nil},
		"delete a user":       {"DELETE", "/Users/" + linus, "", []string{"t-VT Admins " + linus}},
		"delete the group":    {"DELETE", "/Groups/gid", "", []string{"t-VT Admins " + margaret, "t-VT Admins " + grace, "t-VT Admins " + linus, "t-VT Admins u3", "t-VT Admins not-yet-a-user", "t-VT Admins *"}},
		"rename the group":    {"PATCH", "/Groups/gid", patchHead + `[{"op":"replace","path":"displayName","value":"New"}]}`, []string{"t-New ", "t-VT Admins "}},
		"new group":           {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"n","members":[{"value":"uid"}]}`, []string{"t-n uid", "t-n *"}},
		"replace, not said":   {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins"}`, nil},
		"another external id": {"PATCH", "/Groups/gid", patchHead + `[{"op":"replace","path":"externalId","value":"x"}]}`, []string{"t-VT Admins "}}, // rules may select by it
		"replace, null":       {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins","members":null}`, nil},
		"replace without any": {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins","members":[]}`, []string{"t-VT Admins " + margaret, "t-VT Admins " + grace, "t-VT Admins " + linus, "t-VT Admins u3", "t-VT Admins not-yet-a-user"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			if a := w.do(c.method, c.path, c.body); a.status >= 300 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			slices.Sort(c.marks)
			if got := w.state().marks; !slices.Equal(got, c.marks) {
				t.Errorf("marks %q, want %q", got, c.marks)
			}
			if (w.nudged.Load() > 0) != (len(c.marks) > 0) {
				t.Errorf("the worker was nudged %d times", w.nudged.Load())
			}
		})
	}
}

// TestOffboardingMarksLinkedBackends: an off-boarding is marked at every backend with an account of
// the user, also where no group counts.
func TestOffboardingMarksLinkedBackends(t *testing.T) {
	for _, c := range []struct{ method, body string }{
		{"PATCH", patchHead + `[{"op":"replace","value":{"active":false}}]}`},
		{"DELETE", ""},
	} {
		w := newWorld(t)
		w.seed()
		err := w.store.Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(
				tx.Accounts("vt").PutLink(store.Link{IdP: "acme", User: linus, Key: "linus@example.com", Account: "a"}),
				tx.Ledger("vt").PutEntry(store.Entry{Target: "held", Account: "a", Role: "r", State: store.Present}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if a := w.do(c.method, "/Users/"+linus, c.body); a.status >= 300 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		want := []string{"* " + linus, "t-VT Admins " + linus}
		if got := w.state().marks; !slices.Equal(got, want) {
			t.Errorf("%s: marks %q, want %q", c.method, got, want)
		}
	}
}

package delivery_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/suppose"
	"github.com/scimbridge/scimbridge/store"
)

// previewIf returns the plan after changes of the directory that are not made.
func (w *world) previewIf(changes ...string) desk.Preview {
	w.t.Helper()
	supposed, err := suppose.If(w.t.Context(), w.store, changes, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	d := *w.desk
	d.Store = supposed
	p, err := d.Preview(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// deleteGroup is what scim does for a group that is deleted.
func (w *world) deleteGroup(idp, id string, members []string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		for _, m := range members {
			w.touch(tx, idp, m, id)
		}
		return tx.Directory(idp).DeleteGroup(id)
	})
}

// TestSupposed compares the plan of a supposition with the plan after the change was really made, for
// random changes in random directories.
func TestSupposed(t *testing.T) {
	for range 30 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, admins, others)
			team(w, 9, "Admins", "Others")
			members := map[string][]string{}
			for i := range 9 {
				for _, g := range []string{"Admins", "Others"} {
					if r.IntN(3) > 0 {
						user := fmt.Sprint("u", i)
						w.join("okta", user, g)
						members[g] = append(members[g], user)
					}
				}
			}
			w.vendor.refuse = map[string]bool{fmt.Sprintf("a%d/ADMIN", r.IntN(9)): true}
			w.pass(time.Duration(1+r.IntN(20)) * time.Minute)

			var changes []string
			var real []func()
			for range 1 + r.IntN(2) {
				group := []string{"Admins", "Others"}[r.IntN(2)]
				user := fmt.Sprint("u", r.IntN(9))
				switch r.IntN(3) {
				case 0:
					if len(members[group]) == 0 {
						continue
					}
					user = members[group][r.IntN(len(members[group]))]
					changes = append(changes, "leave "+group+" "+user)
					real = append(real, func() { w.leave("okta", user, group) })
				case 1:
					if len(changes) > 0 {
						continue
					}
					changes = append(changes, "delete-group "+group)
					of := members[group]
					real = append(real, func() { w.deleteGroup("okta", group, of) })
					members[group] = nil
				default:
					changes = append(changes, "deactivate "+user)
					real = append(real, func() {
						w.deactivate("okta", user)
						w.update(func(tx store.Tx) error {
							return tx.Work("vt").TouchUrgent(store.AnyTarget, w.clock, w.by("okta"), store.Subject{IdP: "okta", User: user})
						})
					})
				}
			}
			before, marks := w.roles(), w.counts()
			got := w.previewIf(changes...)
			if w.roles() != before || w.counts() != marks {
				t.Fatal("a supposition changed something")
			}
			for _, change := range real {
				change()
			}
			want, err := w.desk.Preview(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := plain(t, got), plain(t, want); a != b {
				t.Errorf("%q:\n%s\nwant\n%s", changes, a, b)
			}
		})
	}
}

// plain is what a plan does, as text.
func plain(t *testing.T, p desk.Preview) string {
	t.Helper()
	text, err := json.MarshalIndent([]any{p.Calls, p.Held, p.Users}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSupposedNames: a name that is not known is refused with the nearest ones, and so is a text that
// supposes nothing.
func TestSupposedNames(t *testing.T) {
	w := newWorld(t, admins)
	w.group("okta", "VT Admins")
	w.group("okta", "Others")
	w.user("okta", "u1", "ada@example.com", true)
	w.user("okta", "u2", "bob@example.com", false)
	w.user("entra", "u3", "cy@example.com", true)
	w.user("okta", "u4", "cy@example.com", true)
	w.join("okta", "u1", "VT Admins")
	for text, want := range map[string]string{
		"leave VT Admin ada@example.com":    `there is no group "VT Admin"; the nearest: VT Admins, Others`,
		"leave VT Admins adda@example.com":  `there is no user "adda@example.com"; the nearest: ada@example.com`,
		`leave "VT Admins" bob@example.com`: `bob@example.com is no member of the group "VT Admins"`,
		"delete-group Admins":               `there is no group "Admins"; the nearest: VT Admins`,
		"deactivate bob@example.com":        "the user bob@example.com is not active already",
		"deactivate cy@example.com":         `2 users are called "cy@example.com"; name one by its id: u3 of entra, u4 of okta`,
		"deactivate":                        "write 'leave GROUP USER', 'delete-group GROUP' or 'deactivate USER'",
		"delete ada@example.com":            "write 'leave GROUP USER', 'delete-group GROUP' or 'deactivate USER'",
		`leave "VT Admins"`:                 "write 'leave GROUP USER', 'delete-group GROUP' or 'deactivate USER'",
		"leave ada@example.com":             "write 'leave GROUP USER', 'delete-group GROUP' or 'deactivate USER'",
		`leave "VT Admins" ada@example.com`: "",
		"leave vt admins ADA@example.com":   "",
		"leave VT Admins u1":                "",
		`deactivate "ada@example.com"`:      "",
		"deactivate u4":                     "",
		`delete-group "VT Admins"`:          "",
	} {
		_, err := suppose.If(t.Context(), w.store, []string{text}, w.clock)
		got := fmt.Sprintf("--if %q: %s", text, want)
		if want == "" && err != nil || want != "" && (err == nil || len(err.Error()) < len(got) || err.Error()[:len(got)] != got) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

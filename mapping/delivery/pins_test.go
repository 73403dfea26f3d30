package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/store"
)

// pinnedAdmins gives a role to the members of VT Admins, as long as that is the group that it was.
var pinnedAdmins = mapping.Rule{Groups: []string{"VT Admins"}, Pin: true, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}, Line: 4}

// names gives a group a name as scim does: bound, swept and committed in one. A group that is new has a member of its own, m-id.
func (w *world) names(idp, id, name string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		dir := tx.Directory(idp)
		old, err := dir.Group(id)
		isNew := errors.Is(err, store.ErrNotFound)
		if err != nil && !isNew {
			return err
		}
		g := store.Group{ID: id, DisplayName: name, Attributes: []byte(`{}`), Created: w.clock, Modified: w.clock}
		if err := dir.PutGroup(g); err != nil {
			return err
		}
		if isNew {
			if _, err := dir.AddMembers(id, "m-"+id); err != nil {
				return err
			}
		}
		if err := pin.Named(tx, w.rules, "vt", idp, old, g, store.Origin{Initiator: idp, At: w.clock}); err != nil {
			return err
		}
		for _, t := range slices.Concat(w.rules.Targets(idp, old), w.rules.Targets(idp, g)) {
			if err := tx.Work("vt").Touch(t.Target, w.clock, store.Origin{}, store.Subject{}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) deletes(idp, id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		g, err := tx.Directory(idp).Group(id)
		if err != nil {
			return err
		}
		for _, t := range w.rules.Targets(idp, g) {
			if err := tx.Work("vt").Touch(t.Target, w.clock, store.Origin{}, store.Subject{}); err != nil {
				return err
			}
		}
		return tx.Directory(idp).DeleteGroup(id)
	})
}

// reloads puts rules in force as the bridge does.
func (w *world) reloads(rules ...mapping.Rule) {
	w.t.Helper()
	w.remap(rules...)
	if err := pin.Bind(w.t.Context(), w.store, w.rules, "vt", w.clock); err != nil {
		w.t.Fatal(err)
	}
	w.worker.RulesChanged()
}

// held lists the holds of the kind `pin` as "group of provider", and their ids.
func (w *world) strangers() (out, ids []string) {
	w.t.Helper()
	holds, err := w.desk.Holds(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range holds {
		if h.Why == "pin" {
			out, ids = append(out, h.Group.ID+" of "+h.Group.IdP), append(ids, h.ID)
		}
	}
	return out, ids
}

// A name that is pinned belongs to the group that had it first; every other waits for an operator, however it comes by the name. A step
// is written as one says it; people are named after the group in which they are.
func TestPin(t *testing.T) {
	type step struct {
		do    string // "name IDP ID NAME", "delete IDP ID", "approve", "reject", "restart", "reload pinned|unpinned|only okta|each"
		roles string // who has the role afterwards
		held  string
	}
	for name, steps := range map[string][]step{
		"renamed away and back": {
			{"name okta a VT Admins", "a", ""}, {"name okta a Old", "", ""}, {"name okta a vt admins", "a", ""}},
		"only its letter case": {
			{"name okta a VT Admins", "a", ""}, {"name okta a VT ADMINS", "a", ""}},
		"a rename that would hand out an admin role": {
			{"name okta a VT Admins", "a", ""}, {"name okta b Canteen", "a", ""}, {"name okta a Old", "", ""}, {"name okta b VT Admins", "", "b of okta"},
			{"restart", "", "b of okta"}, {"reload pinned", "", "b of okta"}, {"approve", "b", ""}, {"name okta b Older", "", ""}, {"name okta a VT Admins", "", "a of okta"}},
		"deleted and pushed again": {
			{"name okta a VT Admins", "a", ""}, {"delete okta a", "", ""}, {"name okta b VT Admins", "", "b of okta"}, {"delete okta b", "", ""}, {"name okta c VT Admins", "", "c of okta"}},
		"rejected until it takes the name again": {
			{"name okta a VT Admins", "a", ""}, {"name okta a Old", "", ""}, {"name okta b VT Admins", "", "b of okta"}, {"reject", "", ""}, {"restart", "", ""},
			{"reload pinned", "", ""}, {"name okta b VT ADMINS", "", ""}, {"name okta b Other", "", ""}, {"name okta b VT Admins", "", "b of okta"}},
		"gives up the name": {
			{"name okta a VT Admins", "a", ""}, {"name okta a Old", "", ""}, {"name okta b VT Admins", "", "b of okta"}, {"name okta b Other", "", ""}, {"name okta a VT Admins", "a", ""}},
		"of another identity provider": {
			{"name okta a VT Admins", "a", ""}, {"name entra b vt admins", "a", "b of entra"}, {"approve", "a b", ""}, {"name okta c Canteen", "a b", ""}, {"delete entra b", "a", ""},
			{"name entra d VT Admins", "a", "d of entra"}},
		"of a rule for one identity provider": {
			{"reload only okta", "", ""}, {"name entra b VT Admins", "", ""}, {"name okta a VT Admins", "a", ""}},
		"of a rule for each of them": {
			{"reload each", "", ""}, {"name okta a VT Admins", "a", ""}, {"name entra b VT Admins", "a b", ""}, {"delete entra b", "a", ""}, {"name entra c VT Admins", "a", "c of entra"}},
		"off by default": {
			{"reload unpinned", "", ""}, {"name okta a VT Admins", "a", ""}, {"delete okta a", "", ""}, {"name okta b VT Admins", "b", ""}},
		"pinned later": {
			{"reload unpinned", "", ""}, {"name okta a VT Admins", "a", ""}, {"reload pinned", "a", ""}, {"name okta a Old", "", ""}, {"name okta b VT Admins", "", "b of okta"}},
		"pinned later, of two identity providers": {
			{"reload unpinned", "", ""}, {"name okta a VT Admins", "a", ""}, {"name entra b VT Admins", "a b", ""}, {"reload pinned", "a b", ""}, {"delete okta a", "b", ""},
			{"name okta c VT Admins", "b", "c of okta"}},
		"not pinned any more": {
			{"name okta a VT Admins", "a", ""}, {"name okta a Old", "", ""}, {"name okta b VT Admins", "", "b of okta"}, {"reload unpinned", "b", ""}, {"reload pinned", "b", ""}},
		"names that look the same": {
			{"name okta a VT Admins", "a", ""}, {"name entra b VT\u00a0Admins", "a", ""}, {"name entra c VT Admins\u200b", "a", ""}, {"name entra d \u212aiosk", "a", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pinnedAdmins)
			for _, id := range []string{"a", "b", "c", "d"} {
				for _, idp := range []string{"okta", "entra"} {
					w.user(idp, "m-"+id, id+"@example.com", true)
				}
				w.vendor.people[id+"@example.com"] = id
			}
			for _, s := range steps {
				w.does(s.do)
				w.pass(time.Minute)
				var want []string
				for _, id := range strings.Fields(s.roles) {
					want = append(want, id+"=ADMIN")
				}
				if got := strings.ReplaceAll(w.roles(), "acme/", ""); got != strings.Join(want, " ") {
					t.Errorf("after %q: the vendor holds %q, want %q", s.do, got, want)
				}
				if p, err := w.desk.Preview(t.Context(), w.rules); err != nil || len(p.Calls) > 0 || len(p.Held) != strings.Count(s.held, "of") {
					t.Errorf("after %q: planned %+v, %v", s.do, p, err)
				}
				if got, _ := w.strangers(); strings.Join(got, ", ") != s.held {
					t.Errorf("after %q: held %q, want %q", s.do, got, s.held)
				}
			}
		})
	}
}

// A replica that starts with a file in which the rule is not pinned does not let go of what the rules in force bind.
func TestAReplicaThatDoesNotPinEndsNoBinding(t *testing.T) {
	w := newWorld(t, pinnedAdmins)
	for _, id := range []string{"a", "b"} {
		w.user("okta", "m-"+id, id+"@example.com", true)
		w.vendor.people[id+"@example.com"] = id
	}
	w.names("okta", "a", "VT Admins")
	w.pass(time.Minute)
	w.expect("acme/a=ADMIN")
	unpinned := pinnedAdmins
	unpinned.Pin = false
	theirs, err := mapping.Compile([]mapping.Rule{unpinned})
	if err != nil {
		t.Fatal(err)
	}
	if err := pin.Bind(t.Context(), w.store, theirs, "vt", w.clock); err != nil {
		t.Fatal(err)
	}
	w.names("okta", "a", "Old")
	w.names("okta", "b", "VT Admins")
	w.pass(time.Minute)
	w.expect("")
	if held, _ := w.strangers(); !slices.Equal(held, []string{"b of okta"}) {
		t.Errorf("held %q", held)
	}
}

// A plan under rules that pin a name says what a reload does: two that have the name keep it, a third waits.
func TestPlanOfAPin(t *testing.T) {
	unpinned := pinnedAdmins
	unpinned.Pin = false
	w := newWorld(t, unpinned)
	for _, id := range []string{"a", "b"} {
		w.user("okta", "m-"+id, id+"@example.com", true)
		w.user("entra", "m-"+id, id+"@example.com", true)
		w.vendor.people[id+"@example.com"] = id
	}
	w.names("okta", "a", "VT Admins")
	w.names("entra", "b", "VT Admins")
	w.pass(time.Minute)
	pinned, err := mapping.Compile([]mapping.Rule{pinnedAdmins})
	if err != nil {
		t.Fatal(err)
	}
	plan := func() string {
		p, err := w.desk.Preview(t.Context(), pinned)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(len(p.Calls), len(p.Held))
	}
	if got := plan(); got != "0 0" {
		t.Errorf("two that have the name: %s", got)
	}
	w.deletes("entra", "b")
	w.pass(time.Minute)
	w.reloads(pinnedAdmins)
	w.pass(time.Minute)
	w.reloads(pinnedAdmins)
	w.remap(unpinned) // another replica, say, whose rules do not pin the name
	w.names("entra", "b", "VT Admins")
	w.remap(pinnedAdmins)
	w.pass(time.Minute)
	if got := plan(); got != "0 1" {
		t.Errorf("one that came later: %s", got)
	}
	w.reloads(pinnedAdmins)
	w.pass(time.Minute)
	w.expect("acme/a=ADMIN")
}

func (w *world) does(step string) {
	w.t.Helper()
	f := strings.SplitN(step, " ", 4)
	_, ids := w.strangers()
	unpinned, okta, entra := pinnedAdmins, pinnedAdmins, pinnedAdmins
	unpinned.Pin, okta.IdP, entra.IdP = false, "okta", "entra"
	var err error
	switch f[0] {
	case "name":
		w.names(f[1], f[2], f[3])
	case "delete":
		w.deletes(f[1], f[2])
	case "approve":
		err = w.desk.Approve(w.t.Context(), ids[0], "operator", "req")
	case "reject":
		err = w.desk.Reject(w.t.Context(), ids[0], "operator", "req")
	case "restart":
		w.reloads(pinnedAdmins)
		w.restart()
	default:
		w.reloads(map[string][]mapping.Rule{"reload pinned": {pinnedAdmins}, "reload unpinned": {unpinned}, "reload only okta": {okta}, "reload each": {okta, entra}}[step]...)
	}
	if err != nil {
		w.t.Fatalf("%s: %v", step, err)
	}
}

// What is held says who took whose name and what it would give, the gauge counts its people, the plan and the explanation name it, the
// audit trail has it, and it is decided once.
func TestWhatIsSaidOfAStranger(t *testing.T) {
	w := newWorld(t, pinnedAdmins)
	for _, id := range []string{"a", "b"} {
		w.user("okta", "m-"+id, id+"@example.com", true)
		w.vendor.people[id+"@example.com"] = id
	}
	w.names("okta", "a", "VT Admins")
	w.names("okta", "a", "Old Admins")
	w.names("okta", "b", "VT Admins")
	w.pass(time.Minute)
	holds, err := w.desk.Holds(t.Context())
	if err != nil || len(holds) != 1 {
		t.Fatalf("%+v %v", holds, err)
	}
	h := holds[0]
	if got := fmt.Sprintf("%s %s %s %+v", h.Backend, h.Target, h.Why, *h.Group); got != "vt acme pin {IdP:okta ID:b Name:VT Admins Members:1 Bound:a Became:Old Admins Gives:map[acme:[ADMIN]]}" {
		t.Error(got)
	}
	if n := w.heldByPin(); n != 1 {
		t.Errorf("the gauge counts %d", n)
	}
	w.leave("okta", "m-b", "b")
	if n := w.heldByPin(); n != 1 {
		t.Errorf("the gauge counts %d for an empty group", n)
	}
	w.join("okta", "m-b", "b")
	p, err := w.desk.Preview(t.Context(), nil)
	if err != nil || len(p.Held) != 1 || p.Held[0] != (desk.PreviewHold{Target: "acme", Why: "pin", Role: "ADMIN", Group: "VT Admins", Members: 1}) {
		t.Errorf("%+v %v", p.Held, err)
	}
	why, err := w.desk.Explain(t.Context(), "b@example.com", "ADMIN")
	if err != nil || len(why) != 1 || len(why[0].Grants) != 1 || !strings.Contains(strings.Join(why[0].Grants[0].Not, ""), "scimbridge hold approve "+strings.TrimSuffix(h.ID, "."+h.Digest)+"`") {
		t.Errorf("%+v %v", why, err)
	}
	if err := w.desk.Reject(t.Context(), h.ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	for _, decide := range []func() error{
		func() error { return w.desk.Approve(t.Context(), h.ID, "operator", "req") }, func() error { return w.desk.Reject(t.Context(), h.ID, "operator", "req") }} {
		if err := decide(); !errors.Is(err, desk.ErrNoHold) {
			t.Errorf("decided twice: %v", err)
		}
	}
	if n := w.heldByPin(); n != 0 {
		t.Errorf("the gauge counts %d after the decision", n)
	}
	if p, err := w.desk.Preview(t.Context(), nil); err != nil || len(p.Held) != 0 {
		t.Errorf("%+v %v", p.Held, err)
	}
	var trail []string
	err = w.store.View(t.Context(), func(tx store.Tx) error {
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			if e.Subject != "" {
				trail = append(trail, e.Type+" "+e.Subject+" by "+e.Actor)
			}
		}
		return nil
	})
	if got := strings.Join(trail, ", "); err != nil || got != "pin a by bridge, hold b by bridge, hold.reject b by operator" {
		t.Errorf("%v %s", err, got)
	}
}

func (w *world) heldByPin() (n int) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(tx store.Tx) (err error) {
		n, err = pin.HeldMembers(tx, "vt")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
)

// An authoritative rule takes foreign grants away only while a group that it selects is in the directory.
func TestAuthoritative(t *testing.T) {
	by := func(set func(*mapping.Rule)) mapping.Rule {
		r := mapping.Rule{Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}, Authoritative: true}
		set(&r)
		return r
	}
	for name, c := range map[string]struct {
		rule  mapping.Rule
		idp   string // of the group that is pushed
		speak bool   // once it is
	}{
		"by name":                      {by(func(r *mapping.Rule) { r.Groups = []string{"Admins"} }), "okta", true},
		"by one of several names":      {by(func(r *mapping.Rule) { r.Groups = []string{"Owners", "Admins"} }), "okta", true},
		"by pattern":                   {by(func(r *mapping.Rule) { r.Match = "Adm.*" }), "okta", true},
		"by id":                        {by(func(r *mapping.Rule) { r.ID = "Admins" }), "okta", true},
		"by name, pinned":              {by(func(r *mapping.Rule) { r.Groups, r.Pin = []string{"Admins"}, true }), "okta", true},
		"of another identity provider": {by(func(r *mapping.Rule) { r.Groups, r.IdP = []string{"Admins"}, "entra" }), "okta", false},
		"excluded":                     {by(func(r *mapping.Rule) { r.Match, r.Exclude = "Adm.*", []string{"admins"} }), "okta", false},
		"paused":                       {by(func(r *mapping.Rule) { r.Groups, r.Paused = []string{"Admins"}, true }), "okta", false},
		"of another group":             {by(func(r *mapping.Rule) { r.Groups = []string{"Owners"} }), "okta", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.rule)
			w.config = func(d configured) { d.ResyncEvery = time.Hour }
			w.restart()
			team(w, 1, "Unrelated")
			w.vendor.holds["acme/a0"] = map[string]bool{"ADMIN": true}
			for range 5 {
				w.resync()
				w.pass(time.Hour)
			}
			w.expectCalls()
			w.expect("acme/a0=ADMIN")
			w.names(c.idp, "Admins", "Admins")
			w.pass(5 * time.Hour)
			if want := map[bool]string{true: "", false: "acme/a0=ADMIN"}[c.speak]; w.roles() != want {
				t.Errorf("with the group in the directory the vendor holds %q", w.roles())
			}
		})
	}
}

// What is held because of an authoritative rule is not the bridge's once the last group of the rule is deleted.
func TestAuthoritativeHold(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, _ := drifting(t, rule)
	for i := range 20 {
		id := fmt.Sprint("x", i)
		w.vendor.people[id+"@example.com"] = id
		w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
	}
	w.pass(2 * time.Hour)
	w.hold("max_removals", 20)
	w.deletes("okta", "Admins")
	w.pass(2 * time.Hour)
	if n := w.heldBy("ADMIN"); n < 20 {
		t.Errorf("%d of 20 foreign grants are left", n)
	}
	w.noHold()
	w.expectCounts("pending 0, blocked 0, held 0")
	if told := w.trail(); !strings.Contains(told, "disown") {
		t.Errorf("the trail does not say that they are given back:\n%s", told)
	}
}

// A pattern that is authoritative could name any target: it is so only for those that a group of it names.
func TestAnAuthoritativePatternTakesNothingElsewhere(t *testing.T) {
	pattern := mapping.Rule{Match: "^risk-(?P<r>[a-z]+)$", Backend: "vt", Target: "${r}", Roles: []string{"ADMIN"}, Authoritative: true}
	w := newWorld(t, admins, pattern)
	w.config = func(d configured) { d.ResyncEvery = time.Hour }
	w.restart()
	team(w, 3, "Admins", "risk-beta")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u0", "risk-beta")
	w.vendor.holds["acme/a2"], w.vendor.holds["beta/a2"] = map[string]bool{"ADMIN": true}, map[string]bool{"ADMIN": true}
	w.pass(3 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN beta/a0=ADMIN")
}

func TestARejectedHoldStaysSoUnderAuthoritative(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, drift := drifting(t, rule)
	for i := range 20 {
		id := fmt.Sprint("x", i)
		w.vendor.people[id+"@example.com"] = id
		w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
	}
	w.pass(2 * time.Hour)
	if err := w.desk.Reject(t.Context(), w.hold("max_removals", 20).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	clear(drift)
	w.pass(24 * time.Hour)
	w.expectCalls()
	w.noHold()
	w.user("okta", "x0", "x0@example.com", true) // what a group gives, too, is the bridge's again
	w.join("okta", "x0", "Admins")
	w.pass(2 * time.Hour)
	w.leave("okta", "x0", "Admins")
	w.pass(time.Hour)
	if w.vendor.holds["acme/x0"]["ADMIN"] {
		t.Error("x0 keeps what a group gave and took")
	}
	delete(w.vendor.holds["acme/x1"], "ADMIN") // what is gone and comes again is another grant
	w.pass(2 * time.Hour)
	w.vendor.holds["acme/x1"]["ADMIN"] = true
	w.pass(2 * time.Hour)
	if w.vendor.holds["acme/x1"]["ADMIN"] || !w.vendor.holds["acme/x2"]["ADMIN"] {
		t.Errorf("x1 %v, x2 %v", w.vendor.holds["acme/x1"], w.vendor.holds["acme/x2"])
	}
}

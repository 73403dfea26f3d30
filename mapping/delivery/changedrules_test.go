package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/scim/where"
	"github.com/scimbridge/scimbridge/store"
)

// second gives another role than admins, to the same group.
var second = mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"REVIEWER"}}

// ruled is a world of n administrators in which what changed rules take away is held.
func ruled(t *testing.T, n int, rules ...mapping.Rule) *world {
	t.Helper()
	w := newWorld(t, rules...)
	w.config = func(d configured) { d.Where = where.Compile }
	w.restart()
	team(w, n, "Admins", "Others")
	for _, u := range []string{"u0", "u1", "u2"}[:n] {
		w.join("okta", u, "Admins")
	}
	w.pass(time.Minute)
	w.calls()
	return w
}

// allow lets go what the rules of the world take away.
func (w *world) allow() {
	w.t.Helper()
	w.update(func(tx store.Tx) error { return memory.AllowRevocations(tx, "vt", w.rules.Fingerprint("vt")) })
	w.worker.RulesChanged()
}

// TestChangedRules: what only a changed mapping takes away waits for a decision; all else goes on.
func TestChangedRules(t *testing.T) {
	t.Run("a rule that is lost takes nothing away", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.reloads(admins)
		w.pass(time.Hour)
		w.expectCalls()
		h := w.hold("changed_rules", 2)
		if h.Grants[0].Role != "REVIEWER" {
			t.Errorf("held: %+v", h.Grants)
		}
		if err := w.desk.Approve(t.Context(), h.ID, "ada", "r"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		w.noHold()
		w.expect("acme/a0=ADMIN acme/a1=ADMIN")
	})
	t.Run("an operator keeps the access", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.reloads(admins)
		w.pass(time.Minute)
		if err := w.desk.Reject(t.Context(), w.hold("changed_rules", 2).ID, "ada", "r"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.noHold()
		w.expectCalls()
	})
	t.Run("the rule is back", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.reloads(admins)
		w.pass(time.Minute)
		w.hold("changed_rules", 2)
		w.reloads(admins, second)
		w.pass(time.Minute)
		w.noHold()
		w.expectCalls()
		if trail := w.trail(); !strings.Contains(trail, "hold.release") {
			t.Errorf("the trail: %s", trail)
		}
	})
	t.Run("who leaves the group loses it at once", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.reloads(admins)
		w.pass(time.Minute)
		w.leave("okta", "u0", "Admins")
		w.pass(time.Minute)
		w.expect("acme/a1=ADMIN,REVIEWER")
		w.hold("changed_rules", 1)
	})
	t.Run("who leaves the company loses it at once", func(t *testing.T) {
		w := ruled(t, 3, admins, second)
		w.reloads(admins)
		w.pass(time.Minute)
		w.deactivate("okta", "u0")
		w.pass(time.Minute)
		w.expect("acme/a1=ADMIN,REVIEWER acme/a2=ADMIN,REVIEWER")
	})
	t.Run("rules that changed while the bridge was down", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.remap(admins)
		w.restart()
		w.pass(time.Hour)
		w.restart()
		w.pass(time.Hour)
		w.expectCalls()
		w.hold("changed_rules", 2)
	})
	t.Run("no rule at all", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.reloads()
		w.pass(time.Hour)
		w.expectCalls()
		w.hold("changed_rules", 4)
	})
	t.Run("two changes after one another", func(t *testing.T) {
		w := ruled(t, 2, admins)
		w.reloads(admins, second)
		w.pass(time.Minute)
		w.calls()
		w.reloads(admins)
		w.pass(time.Second)
		w.reloads()
		w.pass(time.Hour)
		w.expectCalls()
		w.hold("changed_rules", 4)
	})
	t.Run("many changes after one another", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		for i := range 40 {
			another := second
			another.Groups = []string{fmt.Sprint("Group ", i%35)}
			w.reloads(admins, another)
			w.pass(time.Second)
		}
		w.pass(time.Hour)
		w.expectCalls()
		w.hold("changed_rules", 2)
	})
	t.Run("revocations that were allowed", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.remap(admins)
		w.allow()
		w.pass(time.Minute)
		w.noHold()
		w.expect("acme/a0=ADMIN acme/a1=ADMIN")
	})
	t.Run("what is held is allowed afterwards", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.reloads(admins)
		w.pass(time.Hour)
		w.hold("changed_rules", 2)
		w.allow()
		w.pass(time.Minute)
		w.noHold()
		w.expect("acme/a0=ADMIN acme/a1=ADMIN")
	})
	t.Run("what was allowed once is not for the next change", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.remap(admins)
		w.allow()
		w.pass(time.Hour)
		w.calls()
		w.reloads()
		w.pass(time.Hour)
		w.expectCalls()
		w.hold("changed_rules", 2)
	})
	t.Run("what was allowed of another change", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.remap(admins)
		w.allow()
		w.reloads()
		w.pass(time.Hour)
		w.expectCalls()
		w.hold("changed_rules", 4)
	})
	t.Run("after the decision a group is what it was", func(t *testing.T) {
		w := ruled(t, 2, admins, second)
		w.remap(admins)
		w.allow()
		w.pass(time.Hour)
		w.calls()
		w.leave("okta", "u0", "Admins")
		w.pass(time.Minute)
		w.expect("acme/a1=ADMIN")
	})
	t.Run("a rule with a condition", func(t *testing.T) {
		conditional := second
		conditional.WhereText = `userName sw "u1"`
		var err error
		if conditional.Where, err = where.Compile(conditional.WhereText); err != nil {
			t.Fatal(err)
		}
		w := ruled(t, 2, admins, conditional)
		w.expect("acme/a0=ADMIN acme/a1=ADMIN,REVIEWER")
		w.remap(admins)
		w.restart()
		w.pass(time.Minute)
		w.hold("changed_rules", 1)
	})
}

// TestChangedRulesInPlan: a plan for proposed rules shows as held what will be.
func TestChangedRulesInPlan(t *testing.T) {
	w := ruled(t, 2, admins, second)
	proposed, err := mapping.Compile([]mapping.Rule{admins})
	if err != nil {
		t.Fatal(err)
	}
	of := func(rules *mapping.Rules) string {
		t.Helper()
		p, err := w.desk.Preview(t.Context(), rules)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, h := range p.Held {
			out = append(out, h.Person+" "+h.Role+" "+h.Why)
		}
		if len(p.Calls) > 0 {
			out = append(out, "calls")
		}
		return strings.Join(out, ", ")
	}
	const want = "u0@example.com REVIEWER changed_rules, u1@example.com REVIEWER changed_rules"
	if got := of(proposed); got != want {
		t.Errorf("before: %s", got)
	}
	w.remap(admins)
	w.worker.RulesChanged()
	w.pass(time.Minute)
	if got := of(nil); got != want {
		t.Errorf("after: %s", got)
	}
	if whys, err := w.desk.Explain(t.Context(), "u0", "REVIEWER"); err != nil || len(whys) != 1 || !strings.Contains(whys[0].Grants[0].State, "only the changed mapping takes it away") {
		t.Errorf("explain: %+v %v", whys, err)
	}
	holds := w.show()
	if len(holds) != 1 || holds[0].Why != "changed_rules" {
		t.Errorf("held: %+v", holds)
	}
}

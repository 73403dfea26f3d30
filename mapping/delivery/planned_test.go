package delivery_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// TestPlanIsWhatIsCalled changes directories, rules and ledgers at random, asks for the plan, and wants
// the vendor to be called exactly so then: call by call, in the order of each target.
func TestPlanIsWhatIsCalled(t *testing.T) {
	worlds, plans := 10, 25
	if os.Getenv("SCIMBRIDGE_LONG") != "" {
		worlds = 40
	}
	for seed := range uint64(worlds) {
		for vendor, mixed := range map[string]bool{"virustotal": false, "riskcloud": true} {
			t.Run(fmt.Sprintf("%s %d", vendor, seed), func(t *testing.T) {
				p := newPlanned(t, rand.New(rand.NewPCG(seed, 11)), mixed)
				for range plans {
					p.change()
					p.compare()
				}
			})
		}
	}
}

// planned is a world whose plans are compared with its calls.
type planned struct {
	*world
	rnd     *rand.Rand
	users   []string
	groups  []string
	invited [][2]string // target, address
	apart   bool        // calls may be made in several visits
	active  map[string]bool
	member  map[[2]string]bool
}

func newPlanned(t *testing.T, rnd *rand.Rand, mixed bool) *planned {
	p := &planned{world: newWorld(t), rnd: rnd, active: map[string]bool{}, member: map[[2]string]bool{}}
	p.vendor.mixed, p.vendor.one = mixed, mixed
	size, limit := 1+rnd.IntN(4), view.Limit{Count: rnd.IntN(5), Percent: rnd.IntN(80), Window: time.Minute}
	if !mixed { // each group has members of its own
		p.vendor.own = map[string]map[string]string{"acme": {}, "beta": {}}
	}
	p.config = func(d configured) {
		d.Backend = &leavingVendor{p.vendor, p}
		d.BatchSize, d.Offboard, d.Invite, d.MaxRemovals, d.MaxOffboardings = size, true, true, limit, limit
		d.Protect, d.ResyncEvery, d.AccountCache = []string{"u0@example.com"}, 0, 100*24*time.Hour
	}
	p.groups = []string{"Admins", "Bosses", "Betas"}
	for _, g := range p.groups {
		p.group("okta", g)
	}
	for i := range 9 {
		u := fmt.Sprint("u", i)
		p.users = append(p.users, u)
		for _, list := range p.lists() {
			list[u+"@example.com"] = "a" + u[1:]
		}
		p.user("okta", u, u+"@example.com", true)
		p.join("okta", u, p.groups[i%3])
		p.active[u], p.member[[2]string{u, p.groups[i%3]}] = true, true
	}
	for _, target := range []string{"acme", "beta"} { // no user must be looked up later
		var rules []mapping.Rule
		for _, g := range p.groups {
			rules = append(rules, mapping.Rule{Groups: []string{g}, Backend: "vt", Target: target, Roles: []string{"SCAN"}})
		}
		p.remap(rules...)
		p.restart()
		p.pass(time.Hour)
	}
	return p
}

// mapAgain brings other rules into force.
func (p *planned) mapAgain() {
	var rules []mapping.Rule
	for _, g := range p.groups {
		r := mapping.Rule{Groups: []string{g}, Backend: "vt", Target: []string{"acme", "beta"}[p.rnd.IntN(2)], Roles: []string{"SCAN", "READ", "TEAM"}[:1+p.rnd.IntN(3)]}
		if p.vendor.mixed && p.rnd.IntN(2) == 0 {
			r.PermissionSets = []string{fmt.Sprint("ps", p.rnd.IntN(3))}
		}
		rules = append(rules, r)
	}
	p.remap(rules...)
}

// leavingVendor forgets who is off-boarded, and notes who is invited.
type leavingVendor struct {
	*vendor
	p *planned
}

func (v *leavingVendor) Offboard(ctx context.Context, target string, a backend.Account) error {
	delete(v.on(target), a.Key)
	return v.vendor.Offboard(ctx, target, a)
}

func (v *leavingVendor) Invite(ctx context.Context, target, email string) error {
	v.p.invited = append(v.p.invited, [2]string{target, email})
	return v.vendor.Invite(ctx, target, email)
}

// lists are the lists of accounts of the vendor.
func (p *planned) lists() []map[string]string {
	if p.vendor.own != nil {
		return []map[string]string{p.vendor.own["acme"], p.vendor.own["beta"]}
	}
	return []map[string]string{p.vendor.people}
}

// accept lets those who were invited accept, and the bridge find them.
func (p *planned) accept() {
	for _, i := range p.invited {
		p.vendor.on(i[0])[i[1]] = "a" + i[1][1:2]
	}
	p.invited = nil
	if err := p.desk.Retry(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.pass(5 * time.Minute)
}

// change is some requests of the identity provider, or a reload.
func (p *planned) change() {
	p.accept()
	p.apart = false
	if p.rnd.IntN(5) == 0 {
		p.mapAgain()
		p.worker.RulesChanged()
		p.apart = true
		return // what is marked by requests is delivered before what is marked by rules
	}
	for range p.rnd.IntN(6) {
		u, g := p.users[p.rnd.IntN(len(p.users))], p.groups[p.rnd.IntN(len(p.groups))]
		switch in := p.member[[2]string{u, g}]; {
		case p.rnd.IntN(5) == 0 && p.active[u]:
			p.deactivate("okta", u)
			p.update(func(tx store.Tx) error {
				return tx.Work("vt").TouchUrgent(store.AnyTarget, p.clock, store.Origin{}, store.Subject{IdP: "okta", User: u})
			})
			p.active[u] = false
		case p.rnd.IntN(5) == 0:
			p.user("okta", u, u+"@example.com", true)
			p.active[u] = true
		case in:
			p.leave("okta", u, g)
			p.member[[2]string{u, g}] = false
		default:
			p.join("okta", u, g)
			p.member[[2]string{u, g}] = true
		}
	}
}

// compare holds what is called to what is planned.
func (p *planned) compare() {
	p.t.Helper()
	p.calls()
	plan, err := p.desk.Preview(p.t.Context(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	want := map[string][]string{}
	for _, c := range plan.Calls {
		want[c.Target] = append(want[c.Target], describePlanned(c))
	}
	p.pass(20 * time.Second)
	got := map[string][]string{}
	for _, c := range p.calls() {
		_, rest, _ := strings.Cut(c, " ")
		target, _, _ := strings.Cut(rest, ":")
		got[target] = append(got[target], c)
	}
	if p.vendor.one { // where accounts are invited and ended does not matter
		want, got = anywhere(want), anywhere(got)
	}
	for _, target := range []string{"acme", "beta", "anywhere"} {
		if p.apart {
			want[target], got[target] = apart(want[target]), apart(got[target])
		}
		if !slices.Equal(want[target], got[target]) {
			p.t.Fatalf("on %s planned\n%s\ncalled\n%s", target, strings.Join(want[target], "\n"), strings.Join(got[target], "\n"))
		}
	}
	p.clock = p.clock.Add(2 * time.Minute) // the windows of the limits and of the stragglers are over
}

// anywhere takes calls that concern an account as a whole out of those of targets.
func anywhere(calls map[string][]string) map[string][]string {
	out := map[string][]string{}
	for target, all := range calls {
		for _, c := range all {
			op, rest, _ := strings.Cut(c, " "+target+": ")
			if op == "invite" || op == "offboard" {
				out["anywhere"] = append(out["anywhere"], op+" "+rest)
			} else {
				out[target] = append(out[target], c)
			}
		}
	}
	slices.Sort(out["anywhere"])
	return out
}

// apart are calls account by account.
func apart(calls []string) (out []string) {
	for _, c := range calls {
		for _, one := range strings.Split(c, "; ") {
			op, rest, _ := strings.Cut(one, ": ")
			for _, grant := range strings.Fields(rest) {
				out = append(out, op+": "+grant)
			}
		}
	}
	slices.Sort(out)
	return out
}

// describePlanned is a call as the journal of the vendor has it.
func describePlanned(c desk.PreviewCall) string {
	switch {
	case c.Offboard != nil:
		return "offboard " + c.Target + ": " + c.Offboard.Account
	case c.Invite != "":
		return "invite " + c.Target + ": " + c.Invite
	}
	parts := map[string][]string{}
	for _, change := range c.Changes {
		parts[change.Op] = append(parts[change.Op], change.Account+"="+strings.Join(change.Roles, ","))
	}
	var out []string
	for _, op := range []string{"remove", "replace", "add"} {
		if len(parts[op]) > 0 {
			slices.Sort(parts[op])
			out = append(out, op+" "+c.Target+": "+strings.Join(parts[op], " "))
		}
	}
	if len(c.PermissionSetsToAdd)+len(c.PermissionSetsToRemove) > 0 {
		out = append(out, fmt.Sprintf("sets %s: +%v -%v", c.Target, c.PermissionSetsToAdd, c.PermissionSetsToRemove))
	}
	return strings.Join(out, "; ")
}

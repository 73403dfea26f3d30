package delivery_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// vendor is a backend in memory whose every answer a test may choose. It applies calls as a strict vendor would:
// an unknown person fails the whole call.
type vendor struct {
	t       *testing.T
	now     func() time.Time
	people  map[string]string            // folded e-mail -> account id
	own     map[string]map[string]string // targets with people of their own
	holds   map[string]map[string]bool   // "target/account" -> roles
	hidden  bool                         // the vendor does not show who holds which role
	mixed   bool
	one     bool                // one list of people for all targets
	forbid  string              // the account whose roles the credential may not change
	lags    map[string][]string // "target/account" -> roles that reads show, though they are not there
	refuse  map[string]bool     // "account/role" refused whenever it is in a call
	gone    map[string]bool     // targets that do not exist
	lost    map[string]bool     // targets that do not exist, where a change is refused as if an account in it did not
	admin   string              // the role that administers a target
	empty   bool                // listings are empty, and claim to be whole
	cut     bool                // listings do not claim to be whole
	partial bool                // nor does who is looked for
	unshown string              // the account that a change does not find in an incomplete listing
	stale   map[string]bool     // "account/role" that reads do not show
	ends    []*backend.Error    // answers of the next Offboard and Invite calls; nil and then: fine
	during  func()              // happens while the next call is under way
	answers []answer            // of the next calls that change something; then clean ones
	late    []func()            // calls that take effect when the test says so
	recent  []bool              // whether each change said that reads of it lag
	calls   []string            // "remove acme: a1=R a2=R,S"
	lists   []string            // targets whose people were listed
	inside  int
}

// answer is what the vendor says to one call instead of a clean success.
type answer struct {
	err   *backend.Error
	apply bool // it takes effect all the same
	late  bool // it takes effect later
}

func (v *vendor) Traits() backend.Traits {
	return backend.Traits{Mixed: v.mixed, OneListing: v.one, Replace: !v.mixed, ShowsAll: true, AdminRole: v.admin}
}

func (v *vendor) Ready(ctx context.Context) error { return ctx.Err() }

// on returns the people of a target.
func (v *vendor) on(target string) map[string]string {
	if people, own := v.own[target]; own {
		return people
	}
	return v.people
}

func (v *vendor) Resolve(_ context.Context, target string, _ []string) (map[string]backend.Account, error) {
	v.calls = append(v.calls, "list")
	v.lists = append(v.lists, target)
	out := map[string]backend.Account{}
	if v.empty {
		return out, nil
	}
	for key, id := range v.on(target) {
		out[key] = backend.Account{ID: id, Key: key, Status: "Active"}
	}
	if v.partial {
		return out, backend.ErrPartial
	}
	return out, nil
}

func (v *vendor) Invite(_ context.Context, target, email string) error {
	v.calls = append(v.calls, "invite "+target+": "+email)
	if len(v.ends) > 0 {
		err := v.ends[0]
		v.ends = v.ends[1:]
		return err
	}
	return nil
}

func (v *vendor) Offboard(_ context.Context, target string, a backend.Account) error {
	v.calls = append(v.calls, "offboard "+target+": "+a.ID)
	if len(v.ends) > 0 {
		err := v.ends[0]
		v.ends = v.ends[1:]
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *vendor) Observe(_ context.Context, target string) (backend.Observation, error) {
	v.calls = append(v.calls, "read "+target)
	if v.lost[target] {
		return backend.Observation{}, &backend.Error{Kind: backend.Missing, Doing: "reading a target", Status: 404}
	}
	o := backend.Observation{Complete: !v.cut, Roles: !v.hidden, Members: map[string]backend.Account{}, Holders: map[string][]string{}}
	for key, id := range v.on(target) {
		if v.empty {
			break
		}
		o.Members[id] = backend.Account{ID: id, Key: key}
		o.Holders[id] = append(o.Holders[id], v.lags[target+"/"+id]...)
		for r := range v.holds[target+"/"+id] {
			if !v.stale[id+"/"+r] {
				o.Holders[id] = append(o.Holders[id], r)
			}
		}
	}
	return o, nil
}

func (v *vendor) Apply(_ context.Context, d backend.Delta) ([]backend.Outcome, error) {
	v.inside++
	defer func() { v.inside-- }()
	if v.inside > 1 {
		v.t.Error("two calls in flight at once")
	}
	if v.gone[d.Target] {
		return nil, &backend.Error{Kind: backend.Missing, Doing: "changing roles", Unsent: true}
	}
	if slices.ContainsFunc(d.Changes, func(c backend.Change) bool { return c.Account.ID == v.unshown }) {
		return nil, &backend.Error{Kind: backend.Rejected, Doing: "changing roles", Code: "not_shown", Unsent: true}
	}
	v.calls = append(v.calls, describe(d))
	if v.lost[d.Target] {
		return nil, &backend.Error{Kind: backend.Rejected, Doing: "changing roles", Status: 404}
	}
	for _, c := range d.Changes {
		v.recent = append(v.recent, c.Recent)
	}
	if f := v.during; f != nil {
		v.during = nil
		f()
	}
	apply := func() {
		for _, c := range d.Changes {
			v.change(d.Target, c)
		}
		v.change(d.Target, backend.Change{Account: backend.Account{ID: store.TargetSettings}, Op: backend.Add, Roles: d.PermissionSetsToAdd})
		v.change(d.Target, backend.Change{Account: backend.Account{ID: store.TargetSettings}, Op: backend.Remove, Roles: d.PermissionSetsToRemove})
	}
	if len(v.answers) > 0 {
		a := v.answers[0]
		v.answers = v.answers[1:]
		if a.apply {
			apply()
		}
		if a.late {
			v.late = append(v.late, apply)
		}
		if a.err != nil {
			return nil, a.err
		}
	}
	for _, c := range d.Changes {
		if c.Account.ID == v.forbid {
			return nil, &backend.Error{Kind: backend.Unauthorized, Doing: "changing roles", Status: 403}
		}
		known := slices.Contains(slices.Collect(maps.Values(v.on(d.Target))), c.Account.ID)
		for _, r := range c.Roles {
			if !known || v.refuse[c.Account.ID+"/"+r] {
				return nil, &backend.Error{Kind: backend.Rejected, Doing: "changing roles", Status: 400, Code: "InvalidArgumentError"}
			}
		}
	}
	for _, set := range slices.Concat(d.PermissionSetsToAdd, d.PermissionSetsToRemove) {
		if v.refuse[store.TargetSettings+"/"+set] {
			return nil, &backend.Error{Kind: backend.Rejected, Doing: "changing roles", Status: 400, Code: "InvalidArgumentError"}
		}
	}
	apply()
	out := make([]backend.Outcome, len(d.Changes))
	for i := range out {
		out[i] = backend.Applied
	}
	return out, nil
}

func (v *vendor) change(target string, c backend.Change) {
	at := target + "/" + c.Account.ID
	if v.holds[at] == nil || c.Op == backend.Replace {
		v.holds[at] = map[string]bool{}
	}
	for _, r := range c.Roles {
		if c.Op == backend.Remove {
			delete(v.holds[at], r)
		} else {
			v.holds[at][r] = true
		}
	}
}

func describe(d backend.Delta) string {
	parts := map[backend.Op][]string{}
	for _, c := range d.Changes {
		parts[c.Op] = append(parts[c.Op], c.Account.ID+"="+strings.Join(c.Roles, ","))
	}
	var out []string
	for _, op := range []backend.Op{backend.Remove, backend.Replace, backend.Add} {
		if len(parts[op]) > 0 {
			slices.Sort(parts[op])
			out = append(out, op.String()+" "+d.Target+": "+strings.Join(parts[op], " "))
		}
	}
	if len(d.PermissionSetsToAdd)+len(d.PermissionSetsToRemove) > 0 {
		out = append(out, fmt.Sprintf("sets %s: +%v -%v", d.Target, d.PermissionSetsToAdd, d.PermissionSetsToRemove))
	}
	return strings.Join(out, "; ")
}

// interrupted lets something happen while its first call is under way.
type interrupted struct {
	*vendor
	during func()
}

func (i *interrupted) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	if f := i.during; f != nil {
		i.during = nil
		f()
	}
	return i.vendor.Apply(ctx, d)
}

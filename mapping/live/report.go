package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/suppose"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// Comparer compares one backend with its vendor. Its method may be called from any goroutine.
type Comparer struct {
	*desk.Desk
	Backend backend.Backend
	Paused  func() time.Time // until when the vendor must not be called; nil: it may
	Creates bool             // a missing account is created, not invited
}

// Report is what sync would do at one backend, with what the vendor shows.
type Report struct {
	Backend string    `json:"backend"`
	Mode    view.Mode `json:"mode"`
	At      time.Time `json:"at"`
	// Complete: every target was read to its end. Otherwise Targets says which was not.
	Complete bool     `json:"complete"`
	Targets  []Target `json:"targets"`
	Totals   []Total  `json:"totals"`
	Rows     []Row    `json:"rows"`
	Rules    []string `json:"rules,omitempty"` // what is wrong with rules
	Notes    []string `json:"notes,omitempty"`
}

// Target is how far a target was read.
type Target struct {
	Target string `json:"target"`
	Read   Read   `json:"read"`
	Reason string `json:"reason,omitempty"` // why it was not
	// Shows is which roles the vendor shows there: "all", "none", or the one.
	Shows string `json:"shows,omitempty"`
}

// Read is how far something was read.
type Read string

// Complete is a target that was read to its end. Of one that is Incomplete the vendor shows a part, one
// that is Missing it does not have, and one that is Unread could not be read.
const (
	Complete   Read = "complete"
	Incomplete Read = "incomplete"
	Missing    Read = "missing"
	Unread     Read = "unread"
)

// Row is one role of one account on one target.
type Row struct {
	Target  string            `json:"target"`
	Person  string            `json:"person,omitempty"` // the value that finds the account
	Account string            `json:"account,omitempty"`
	Role    string            `json:"role,omitempty"` // or the permission set
	Action  Action            `json:"action"`
	State   desk.PlannedState `json:"state"`
	Has     string            `json:"has"` // at the vendor now: yes, no or unknown
	Reason  string            `json:"reason,omitempty"`
	Why     []string          `json:"why,omitempty"`
	Until   time.Time         `json:"until,omitzero"` // when something blocked is tried again

	PermissionSet bool `json:"permission_set,omitempty"`
}

// Action is what becomes of a grant.
type Action string

// Keep, Grant, Revoke, OffBoard and Invite are those of a plan. Create is Invite where the account is
// made at once. A grant that is there already is adopted. Foreign is a role that is there and stays,
// because no group gives it and the bridge did not grant it. NotRead stands for a whole target.
const (
	Keep      = Action(desk.Keep)
	Grant     = Action(desk.Grant)
	Revoke    = Action(desk.Revoke)
	OffBoard  = Action(desk.OffBoard)
	Invite    = Action(desk.Invite)
	Create    = Action("create")
	Adopt     = Action("adopt")
	Foreign   = Action("foreign")
	NoAccount = Action("no_account")
	NotRead   = Action("unread")
)

// Total counts the rows with one action and state, and their users.
type Total struct {
	Action Action            `json:"action"`
	State  desk.PlannedState `json:"state"`
	Grants int               `json:"grants"`
	Users  int               `json:"users"`
}

// Something reports whether something would be done, held, or begun with a look-up.
func (r Report) Something() bool {
	return slices.ContainsFunc(r.Rows, func(row Row) bool {
		return row.State == desk.Now || row.State == desk.IsHeld || row.State == desk.LookUpFirst
	})
}

// Report reads the vendor and returns the comparison, under the policy in force. A target that cannot
// be read is no error: see Report.Complete.
func (c *Comparer) Report(ctx context.Context) (Report, error) {
	r := &reading{Comparer: c, listings: map[string]suppose.Listing{}, seen: map[string]*backend.Observation{}, how: map[string]Target{}}
	if err := r.read(ctx); err != nil {
		return Report{}, err
	}
	r.now = c.Clock()
	if err := r.compare(ctx); err != nil {
		return Report{}, err
	}
	p, err := r.plan(ctx)
	if err == nil && r.takeForeign(p) {
		p, err = r.plan(ctx)
	}
	if err != nil {
		return Report{}, err
	}
	return r.report(p), nil
}

// plan is what sync would do with what was read.
func (r *reading) plan(ctx context.Context) (desk.Preview, error) {
	policy, v := r.InForce(), *r.View
	policy.Mode = view.Sync
	v.InForce = func() view.Policy { return policy }
	d := desk.Desk{View: &v, Log: r.Log, Seen: func(target string) *backend.Observation { return r.seen[target] }}
	d.Store = &suppose.Store{Store: r.Store, Now: r.now, Vendors: map[string]suppose.Vendor{
		r.Name: {Listings: r.listings, Missing: r.missing, Taken: r.taken, Moved: r.moved}}}
	p, err := d.PreviewUnder(ctx, policy)
	if err != nil {
		return p, fmt.Errorf("comparing with the vendor: %w", err)
	}
	return p, nil
}

// report puts the rows into an order and counts them.
func (r *reading) report(p desk.Preview) Report {
	out := Report{Backend: r.Name, Mode: r.ModeNow(), At: r.now.UTC(), Complete: true, Targets: []Target{}, Rules: p.Rules, Notes: p.Notes}
	for _, t := range r.targets {
		how := r.how[t]
		out.Complete = out.Complete && how.Read != Unread && how.Read != Incomplete
		out.Targets = append(out.Targets, how)
	}
	out.Rows = r.rows(p)
	slices.SortStableFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.Role, b.Role), cmp.Compare(a.Action, b.Action))
	})
	out.Totals = totals(out.Rows)
	return out
}

// totals counts rows by action and state.
func totals(rows []Row) []Total {
	out, users := []Total{}, map[Total]map[string]bool{}
	for _, row := range rows {
		k := Total{Action: row.Action, State: row.State}
		at := slices.IndexFunc(out, func(t Total) bool { return t.Action == k.Action && t.State == k.State })
		if at < 0 {
			at, users[k] = len(out), map[string]bool{}
			out = append(out, k)
		}
		out[at].Grants++
		if who := cmp.Or(row.Person, row.Account); who != "" {
			users[k][who] = true
			out[at].Users = len(users[k])
		}
	}
	slices.SortFunc(out, func(a, b Total) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.State, b.State))
	})
	return out
}

// grantOf is the grant of a row.
func grantOf(target, account, role string) memory.Grant {
	return memory.Grant{Target: target, Account: account, Role: role}
}

// entries are lines of the ledger, by their grants.
type entries map[memory.Grant]store.Entry

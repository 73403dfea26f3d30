package view

import (
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// asked returns when the change of an account was asked for first: its marks may have been made
// later, from those of a user.
func (a *Account) asked() (at time.Time) {
	for _, m := range a.Marks {
		at = memory.Earlier(at, memory.Earlier(m.Since, m.Origin.At))
	}
	return at
}

// Account is what the store says of one account of a target.
type Account struct {
	plan.Account

	Marks  []store.Mark        // settled together when nothing is left to do for the account
	Links  []store.Link        // of its users
	Causes map[string][]string // by role: the groups and rules that give it, or gave it until now, for the audit trail
	Origin store.Origin        // of the newest mark that concerns it
}

// NewAccount returns an account of which nothing is known.
func NewAccount(id string) *Account {
	return &Account{Account: plan.Account{Account: backend.Account{ID: id}}}
}

// Visit is what one visit to one target has read so far.
type Visit struct {
	Accounts map[string]*Account
	Known    map[string]string          // value -> account, as this visit found out
	Urgent   bool                       // it is for off-boardings only
	Marks    map[uint64]bool            // the numbers of the marks that it read
	Open     map[string]memory.OpenHold // holds that may take in more, by reason
	Idle     []store.Mark               // marks that concern no account: settled as they are
	Planned  *plan.Plan                 // the plan, if nothing had to be read or written before it
	Missing  []*Person                  // users without an account, by a complete listing

	Relisted bool                       // the listing was read again for this plan, to its end
	Partly   map[string]backend.Account // what it showed otherwise
	Unlisted bool                       // it cannot be read now
}

// maxCauses is how many groups an event names: no reader needs more to see why.
const maxCauses = 20

// because remembers which groups give a role, for the audit trail.
func (a *Account) because(idp string, g mapping.Grant) {
	if a.Causes == nil {
		a.Causes = map[string][]string{}
	}
	for _, r := range g.From {
		if len(a.Causes[g.Role]) == maxCauses {
			return
		}
		cause := idp + "/" + r.Group.DisplayName
		if r.Rule.Line > 0 {
			cause += fmt.Sprintf(" (rule in line %d)", r.Rule.Line)
		}
		if !slices.Contains(a.Causes[g.Role], cause) {
			a.Causes[g.Role] = append(a.Causes[g.Role], cause)
		}
	}
}

// Subjects are the users of the account.
func (a *Account) Subjects() (out []store.Subject) {
	for _, u := range a.Users {
		out = append(out, u.Subject)
	}
	return out
}

// Account returns what is known of an account, which may be nothing yet.
func (v *Visit) Account(id string) *Account {
	a := v.Accounts[id]
	if a == nil {
		a = NewAccount(id)
		v.Accounts[id] = a
	}
	return a
}

// Bound reports whether nothing must be looked up, learnt or written to know which account a user is.
func (p *Person) Bound() bool {
	id := p.Account(nil)
	if id == "" {
		return !p.Desired && p.Link.Account == ""
	}
	return id == p.Link.Account && (p.Key == p.Link.Key || p.Leaves)
}

// Account is the account of the person at the backend, "" if there is none or it is not known.
func (p *Person) Account(found map[string]backend.Account) string {
	if p.Blocked {
		return ""
	}
	if p.Found != "" || !p.Exists || p.Key == "" {
		return p.Found
	}
	return found[p.Key].ID
}

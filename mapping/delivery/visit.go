package delivery

import (
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// account is what one visit knows and does about one account of the target.
type account struct {
	*view.Account // what the plan is made of
	plan.Decision // what it decides

	steps      int             // calls that still concern the account
	unfinished bool            // something was not done cleanly: the marks stay
	park       store.MarkState // Blocked or Held: the marks are parked, for this reason
	reason     string
	left       bool // the membership or account is ended, or nothing must be ended
	later      bool // it cannot be ended yet
}

// visitWork is one visit to one target.
type visitWork struct {
	*view.Visit
	accounts map[string]*account
}

// atOnce reports whether the visit was planned in the View that read its marks, with no read of the
// vendor in between.
func (v *visitWork) atOnce() bool { return v.Planned != nil && !v.Planned.Needs.Any() }

// visited returns the work of a visit.
func visited(v *view.Visit) *visitWork {
	work := &visitWork{Visit: v, accounts: map[string]*account{}}
	for id, a := range v.Accounts {
		work.accounts[id] = &account{Account: a}
	}
	return work
}

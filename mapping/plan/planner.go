package plan

import (
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Mode says what may happen to a backend.
type Mode string

// Observe writes nothing, AddOnly never removes, Sync does both.
const (
	Observe Mode = "observe"
	AddOnly Mode = "add_only"
	Sync    Mode = "sync"
)

// Planner is the configuration of a backend as far as a plan depends on it.
type Planner struct {
	Mode            Mode
	BatchSize       int           // accounts in one call
	Straggler       time.Duration // how long a call without a clean answer may still take effect
	Protect         []string      // keys of accounts that never lose a role
	OwnAccount      string        // the credential's own account: id, or key
	MaxRemovals     Limit
	MaxOffboardings Limit
	Traits          backend.Traits
	Invite          bool // the vendor is asked for accounts that are missing
}

// Needs is what a plan cannot decide without.
type Needs struct {
	Ledger      bool // Snapshot.Ledger
	Observation bool // Snapshot.Seen
	Leavers     bool // Snapshot.Leavers
	// Listing has values that must be looked up again before their accounts are ended.
	Listing []string
}

// Any reports whether something is needed.
func (n Needs) Any() bool { return n.Ledger || n.Observation || n.Leavers || len(n.Listing) > 0 }

// Plan is what must happen on one target.
type Plan struct {
	Needs     Needs               // if any, the rest is not decided yet
	Decisions map[string]Decision // by account id
	Calls     []Call              // in their order
	LookUp    []LookUp            // users that must be looked up before they get something
	Exceeded  []string            // limits that begin to hold something on the target
}

// Decision is what becomes of one account.
type Decision struct {
	Add, Remove []string // what is sent, sorted
	Replace     bool     // Add and Remove are sent as the full set of roles
	// Dropped says that the mode does not allow what differs: Add and Remove are what it would be.
	Dropped *Change

	Owned    map[string]store.Entry // the ledger as it is once the plan is recorded
	Keep     []string               // borrowed grants that are the bridge's from now on
	GiveBack []string               // borrowed grants that the bridge gives up
	Disown   []string               // foreign grants that no authoritative rule speaks for any more
	Claim    []string               // foreign grants that are taken over, to be held

	End End // of what the account has beyond roles

	Held    map[string]string // role -> why
	Holds   []HoldChange      // holds that begin or end, by role
	KeepSet bool              // a hold on the target keeps its permission sets

	There    map[string]bool // whether the account had a role before it was asked for
	Wait     time.Time       // nothing can be seen of the account before: it waits
	Recent   bool            // reads of the account may lag
	Called   bool            // they may, and because of a call of the bridge
	Counts   bool            // the limits count what is revoked
	SetUsers []string        // of the target itself: the accounts that lose something with a permission set
}

// Change is roles that are added and removed.
type Change struct{ Add, Remove []string }

// HoldChange is a hold that begins, for a reason, or ends. Wanted: it ends because a group gives the
// grant again.
type HoldChange struct {
	Role, Why string
	Wanted    bool
}

// LookUp is a user whose grants are withheld until it is known which account the user is.
type LookUp struct {
	Account string
	User    store.Subject
}

// Call is one call to the vendor that changes something: roles and permission sets, or the end of a
// membership, or the request for an account.
type Call struct {
	Target   string
	Delta    backend.Delta
	Offboard backend.Account // whose membership or account ends
	Invite   string          // the address that needs an account
}

// draft is an account while it is decided about.
type draft struct {
	Account
	Decision
	untouchable string // why the account never loses a role; "": it may
}

// run is one plan in the making.
type run struct {
	Planner
	s      Snapshot
	now    time.Time
	needs  Needs
	ids    []string
	drafts map[string]*draft
	lookUp []LookUp

	ordinary []*draft // lose something by a change of groups or rules
	leaving  []*draft // lose something by an off-boarding
	replaced []*draft // must have exactly some roles, and may lose what the ledger does not know of
	sets     *draft   // the target itself, if it loses permission sets
	ledger   *Ledger
}

// Plan decides what must happen on the target of a snapshot.
func (p Planner) Plan(s Snapshot, now time.Time) Plan {
	r := &run{Planner: p, s: s, now: now, ids: slices.Sorted(maps.Keys(s.Accounts)), drafts: map[string]*draft{}, ledger: s.Ledger}
	for _, id := range r.ids {
		r.drafts[id] = r.decide(s.Accounts[id])
	}
	r.borrow()
	r.disownSilenced()
	r.applyMode()
	r.classify()
	if r.measures() && r.ledger == nil {
		r.needs.Ledger = true
		return Plan{Needs: r.needs}
	}
	if r.ledger == nil {
		r.ledger = NewLedger()
	}
	r.keepDisowned()
	r.keepAdmin()
	r.limits()
	r.withholdHeld()
	r.keepSets()
	r.waitUnverifiable()
	ends{r}.endMemberships()
	if r.needs.Any() {
		return Plan{Needs: r.needs}
	}
	return r.plan()
}

// plan is what the run has decided.
func (r *run) plan() Plan {
	out := Plan{Decisions: map[string]Decision{}, LookUp: r.lookUp}
	for _, id := range r.ids {
		d := r.drafts[id]
		slices.Sort(d.Add)
		slices.Sort(d.Remove)
		out.Decisions[id] = d.Decision
		for _, h := range d.Holds {
			limit := h.Why == Removals || h.Why == Offboardings
			if limit && !r.ledger.HeldWhy[h.Why] && !slices.Contains(out.Exceeded, h.Why) {
				out.Exceeded = append(out.Exceeded, h.Why)
			}
		}
	}
	out.Calls = r.calls()
	return out
}

// observation is what the vendor shows of the target. It is needed if it was not read; ok: it is
// there.
func (r *run) observation() (seen backend.Observation, ok bool) {
	if r.s.Seen == nil {
		r.needs.Observation = r.needs.Observation || !r.s.Blind
		return seen, false
	}
	return *r.s.Seen, true
}

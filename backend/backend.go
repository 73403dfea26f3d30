package backend

import (
	"context"
	"time"
)

// Account is a user as the vendor knows it.
type Account struct {
	ID     string // as the backend returned it, byte for byte
	Key    string // the folded value that found the account: see Fold
	Status string // only the client that wrote it can read it
}

// Op is the direction of a Change.
type Op uint8

// The three operations. Replace gives an account exactly Change.Roles and revokes every other role.
const (
	Add Op = iota + 1
	Remove
	Replace
)

func (o Op) String() string {
	switch o {
	case Add:
		return "add"
	case Remove:
		return "remove"
	case Replace:
		return "replace"
	}
	return "none"
}

// Change is what happens to one account in a Delta.
type Change struct {
	Account Account
	Op      Op
	Roles   []string
	// Recent says that Scimbridge changed this account on this target a moment ago. A read may lag
	// behind that, so the change is sent even when the target looks right already.
	Recent bool
}

// Delta is one call's worth of changes to one target: at most one Change per account. Removals and additions
// may stand together only where Traits.Mixed says so.
type Delta struct {
	Target  string
	Changes []Change
	// Permission sets that the same call adds to the target or removes from it. Risk Cloud only.
	PermissionSetsToAdd    []string
	PermissionSetsToRemove []string
}

// Outcome is what a clean answer, and the read before it, showed of one Change. Apply returns them in the order of the Delta.
type Outcome uint8

// Applied: the call carried the change. Already: the target was as wanted before the call, by a read; the call carried the
// change only if that read may lag.
const (
	Applied Outcome = iota + 1
	Already
)

// Observation is what a vendor shows of a target. It proves an absence only if it is Complete.
type Observation struct {
	Complete bool                // every page was read, and the listing is plausible
	Roles    bool                // false where the vendor does not show who holds which role
	Only     string              // the one role whose holders the vendor shows; "": see Roles
	Partial  bool                // the vendor does not show every holder of that role
	Count    int                 // the vendor's own number of holders; 0: it gives none
	Members  map[string]Account  // by account id
	Holders  map[string][]string // account id -> the roles that are shown
}

// Has reports whether the account holds the role, and whether the observation can tell. An empty
// listing proves nothing.
func (o Observation) Has(account, role string) (has, known bool) {
	whole := o.Complete && len(o.Members) > 0
	if o.Shows(role) {
		for _, r := range o.Holders[account] {
			if r == role {
				return true, true
			}
		}
		return false, whole && !o.Partial
	}
	if _, member := o.Members[account]; !member && whole {
		return false, true
	}
	return false, false
}

// Shows reports whether the observation contains the holders of the role.
func (o Observation) Shows(role string) bool { return o.Roles || o.Only != "" && o.Only == role }

// Traits are what the delivery loop must know of a vendor. They never change during a process.
type Traits struct {
	Mixed      bool   // one call may carry additions and removals
	OneListing bool   // Resolve reads one list of users for all targets
	Replace    bool   // Op Replace exists
	OwnAccount bool   // the credential belongs to an account, and the API does not show which
	ShowsAll   bool   // Observe returns the holders of every role, at least on some tenants
	AdminRole  string // the role that administers a target: one account must keep it; empty: none
	FixedRole  string // the one role of a target (Risk Cloud: a target *is* a role); empty: a target has many
}

// Backend is a client of one configured vendor connection. Its methods may be called concurrently; they do
// network calls and therefore never run inside a store transaction. Failures are *Error.
type Backend interface {
	Traits() Traits
	// Ready returns when the rate limit would let a call through now, or with ctx's error.
	Ready(ctx context.Context) error
	// Resolve finds accounts by their folded keys. It returns every account of the listing, so that the
	// caller can cache them; a key that is missing has no account. With ErrPartial the returned accounts
	// are right, and a missing key may have an account all the same.
	Resolve(ctx context.Context, target string, keys []string) (map[string]Account, error)
	// Invite creates an account for an e-mail address, or invites its owner, who has to accept. The
	// vendor decides which.
	Invite(ctx context.Context, target, email string) error
	// Offboard ends the membership of the target or disables the account; the vendor decides which. It
	// succeeds if there is nothing left to end.
	Offboard(ctx context.Context, target string, a Account) error
	// Observe reads the target.
	Observe(ctx context.Context, target string) (Observation, error)
	// Apply makes one call that changes the target. Only a nil error is a clean success; after an error
	// every change of the delta may have been applied, or may be applied later.
	Apply(ctx context.Context, d Delta) ([]Outcome, error)
}

// Journal is notified of every call that changes something at a vendor, before the call and after its
// answer: the demo prints it, tests assert on it. Fields may be nil.
type Journal struct {
	Sent     func(at time.Time, method, path string, body []byte)
	Answered func(at time.Time, method, path string, status int, err error)
}

package backend

import (
	"context"
	"time"
)

// Account is a person as the backend knows them.
type Account struct {
	ID     string // as the backend returned it, byte for byte
	Key    string // the folded value that found the person: see Fold
	Status string // opaque to everybody but the client that wrote it
}

// Op says in which direction a Change goes.
type Op uint8

// The three operations. Replace gives an account exactly Change.Roles and clears whatever else it had.
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
	// Recent says that the bridge itself touched this account on this target a moment ago. A read may lag
	// behind that, so the change is sent even when the target looks right already.
	Recent bool
}

// Delta is one call's worth of changes to one target: at most one Change per account. Removals and additions
// may stand together only where Traits.Mixed says so.
type Delta struct {
	Target  string
	Changes []Change
	// PermissionSets are kept on (Add) or taken off (Remove) the target in the same call. Risk Cloud only.
	PermissionSetsToAdd    []string
	PermissionSetsToRemove []string
}

// Outcome is what a clean answer, and the read before it, said about one Change of a Delta, in the Delta's order.
type Outcome uint8

// Applied: the call carried the change. Already: the target was as wanted before the call, by a read; the call carried the
// change only if that read may lag.
const (
	Applied Outcome = iota + 1
	Already
)

// Observation is what a backend shows of a target. Absence from it is evidence only if Complete.
type Observation struct {
	Complete bool                // every page was read, and the listing is plausible
	Roles    bool                // false where the vendor does not show who holds which role
	Only     string              // the one role of which it shows who holds it; "": Roles says it all
	Partial  bool                // of that role it does not show all who hold it
	Count    int                 // how many hold a role, where the vendor says that by itself; 0: it does not
	Members  map[string]Account  // by account id
	Holders  map[string][]string // account id -> roles, as far as they are shown
}

// Has reports whether the account is seen to hold the role, and whether the observation can tell. A listing without people
// tells nothing.
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

// Shows says whether the observation tells who holds the role.
func (o Observation) Shows(role string) bool { return o.Roles || o.Only != "" && o.Only == role }

// Traits are what the delivery loop must know of a vendor. They never change during a process.
type Traits struct {
	Mixed      bool   // one call may carry additions and removals
	OneListing bool   // Resolve reads one list of people for all targets
	Replace    bool   // Op Replace exists
	OwnAccount bool   // the credential is an account's, and the API does not say whose
	ShowsAll   bool   // Observe tells who holds which role, at least on some tenants
	AdminRole  string // the role that administers a target: one account must keep it; empty: none
	FixedRole  string // the one role of a target (Risk Cloud: a target *is* a role); empty: a target has many
}

// Backend is a client of one configured vendor connection. Its methods may be called concurrently; they do
// network calls and therefore never run inside a store transaction. Failures are *Error.
type Backend interface {
	Traits() Traits
	// Ready returns when the rate limit would let a call through now, or with ctx's error.
	Ready(ctx context.Context) error
	// Resolve finds people by their folded keys. The answer holds everybody the listing showed, so that the
	// caller can cache more than it asked for; whoever is missing from it has no account. Error otherwise. With ErrPartial there
	// is an answer, too: whoever is in it is found, and of the others nothing is known.
	Resolve(ctx context.Context, target string, keys []string) (map[string]Account, error)
	// Invite asks for an account for somebody who has none, by e-mail address: an invitation that the person has to accept, or
	// an account made at once, as the vendor has it.
	Invite(ctx context.Context, target, email string) error
	// Offboard ends what somebody who left has beyond roles: the membership of the target, or the account, as the vendor has
	// it. Somebody who has neither any more is no failure.
	Offboard(ctx context.Context, target string, a Account) error
	// Observe reads the target.
	Observe(ctx context.Context, target string) (Observation, error)
	// Apply makes one call that changes the target. Only a nil error is a clean success; after any other
	// answer every change of the delta may have been applied, or may still be.
	Apply(ctx context.Context, d Delta) ([]Outcome, error)
}

// Journal is told of every call to a vendor that changes something, before it is sent and after it was
// answered: the demo prints it, tests assert on it. Fields may be nil.
type Journal struct {
	Sent     func(at time.Time, method, path string, body []byte)
	Answered func(at time.Time, method, path string, status int, err error)
}

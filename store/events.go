package store

import (
	"iter"
	"time"
)

// Event is a line of the audit trail, appended in the transaction of the change that it records.
type Event struct {
	Seq   uint64
	At    time.Time
	Type  string // directory: "user.create", "group.members", …; delivery: "grant", "revoke", "adopt", …
	Actor string // identity provider, "operator", or "bridge"
	// Reason is why an operator decided, in the words of the operator.
	Reason string
	// Initiator is the cause of a change at a backend: see Origin.
	Initiator string
	Token     string // the credential of the actor, or of the initiator
	Request   string // request id of a request; delivery: of the request that led to it
	IdP       string
	Subject   string   // id of the user or group
	Name      string   // userName or displayName at the time; delivery: the value that found the account
	Added     []string // members
	Removed   []string
	Before    string // with After: JSON of the attributes that a change made different
	After     string
	Backend   string
	Target    string
	Account   string
	Role      string
	// Causes are the groups that give a grant, in the order of the rules, as "identity provider/displayName".
	Causes   []string
	Evidence string // the vendor's answer, in our words
	Detail   string
}

// Seal gives an event its place in the chain of the audit trail. It is given after the commit, because
// concurrent transactions commit events in another order than that of their numbers.
type Seal struct {
	Place  uint64   // 1, 2, 3, …
	Event  uint64   // Event.Seq
	Digest [32]byte // over the digest of the place before and the event; the caller computes it
}

// Events is the audit trail. A line cannot be changed, and only the oldest sealed lines can be removed.
type Events interface {
	Append(e Event) (seq uint64, err error)
	Event(seq uint64) (Event, error)
	Since(seq uint64) iter.Seq2[Event, error] // by number

	// Unsealed lists the committed events that have no place yet, by number. They are sealed in this order.
	Unsealed() iter.Seq2[Event, error]
	// Seal stores seals. It returns ErrConflict, and changes nothing, unless they have the next places
	// and the first events of Unsealed: another process may have sealed meanwhile.
	Seal(seals ...Seal) error
	Seals(after uint64) iter.Seq2[Seal, error] // by place, after one
	// LastSeal returns the end of the chain: the anchor if no seal follows it, zero if no event was ever sealed.
	LastSeal() (Seal, error)

	// Anchor returns the last place whose event was forgotten; zero if none was.
	Anchor() (Seal, error)
	// SetAnchor begins the chain of a trail from another store; ErrConflict if it has begun. The Event of
	// the anchor is not kept, because this store does not have it.
	SetAnchor(s Seal) error
	// Forget removes seals with their events, up to and with a place, and returns the new anchor. It stops
	// before an event to which a mark refers.
	Forget(place uint64) (anchor Seal, err error)
}

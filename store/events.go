package store

import (
	"iter"
	"time"
)

// Event is a line of the audit trail, appended in the transaction of the change it tells of.
type Event struct {
	Seq   uint64
	At    time.Time
	Type  string // directory: "user.create", "group.members", …; delivery: "grant", "revoke", "adopt", …
	Actor string // identity provider, "operator", or "bridge"
	// Initiator is, of what the bridge does at a backend, who asked for what led to it: see Origin.
	Initiator string
	Token     string // which credential of the actor's, or of the initiator's
	Request   string // request id of a request; delivery: of the request that led to it
	IdP       string
	Subject   string   // id of the user or group
	Name      string   // userName or displayName at the time; delivery: the value that found the account
	Added     []string // members
	Removed   []string
	Before    string // what a change left, and what was there before it: JSON of the attributes that differ
	After     string
	Backend   string
	Target    string
	Account   string
	Role      string
	// Causes is why, in the order of the rules: for a grant the groups that give it, as "identity provider/displayName".
	Causes   []string
	Evidence string // what the backend said, in our words
	Detail   string
}

// Seal gives an event its place in the chain of the audit trail. Places are given when an event is sealed, not when it is
// appended: where writers do not wait for each other events are committed in another order than that of their numbers.
type Seal struct {
	Place  uint64   // 1, 2, 3, …
	Event  uint64   // Event.Seq
	Digest [32]byte // over the digest of the place before and the event: the caller's
}

// Events is the audit trail. There is no way to change a line, nor to remove any but the oldest, when they are sealed.
type Events interface {
	Append(e Event) (seq uint64, err error)
	Event(seq uint64) (Event, error)
	Since(seq uint64) iter.Seq2[Event, error] // by number

	// Unsealed lists the committed events that have no place yet, by number. They are sealed in this order.
	Unsealed() iter.Seq2[Event, error]
	// Seal is ErrConflict if the places are not the next ones, as when another process has sealed meanwhile, or the events are not
	// the first of Unsealed. Nothing is changed then.
	Seal(seals ...Seal) error
	Seals(after uint64) iter.Seq2[Seal, error] // by place, beyond one
	// LastSeal is the end of the chain: the anchor if nothing stands after it, zero if nothing was ever sealed.
	LastSeal() (Seal, error)

	// Anchor is the place before the first that is still there, whose event was forgotten: zero if none was.
	Anchor() (Seal, error)
	// SetAnchor begins the chain of a trail that was carried over from another store; ErrConflict if it has begun. The anchor's
	// Event is not kept, since it is not there.
	SetAnchor(s Seal) error
	// Forget removes seals with their events, from the first up to and with a place, and gives the anchor that this leaves. It
	// stops before an event to which a mark refers.
	Forget(place uint64) (anchor Seal, err error)
}

package access

import (
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// The states of a grant.
const (
	Granted   = "granted"   // confirmed by the vendor
	Adopted   = "adopted"   // confirmed; it was there before a group gave it
	Pending   = "pending"   // is about to be granted or revoked: see Row.Change
	Held      = "held"      // waits for the decision of an operator
	Blocked   = "blocked"   // cannot be granted or revoked now: see Row.Reason
	InDoubt   = "in_doubt"  // a call has no clean answer yet
	Unmanaged = "unmanaged" // at the vendor, and not the bridge's: foreign or disowned
)

// Whether the account has the role at the vendor, as far as the bridge knows.
const (
	Yes  = "yes"
	No   = "no"
	Dark = "unknown"
)

// What is to become of a grant.
const (
	ToGrant  = "grant"
	ToRevoke = "revoke"
	ToAdopt  = "adopt"
)

// Reasons that no other package has.
const (
	Foreign    = "foreign"       // the bridge did not grant it
	Disowned   = "disowned"      // the bridge gave it up: an operator rejected its removal
	OnlyReads  = "mode_observe"  // the mode of the backend lets the bridge change nothing
	OnlyAdds   = "mode_add_only" // the mode of the backend lets the bridge revoke nothing
	RulePaused = "rule_paused"   // a paused rule could give it, so it stays
	Pin        = "pin"           // the name of the group is bound to another group
)

// What confirmed a grant last.
const (
	ByAnswer     = "answer"     // the vendor's clean answer to a call
	ByReading    = "read_back"  // a reading after a call without a clean answer
	ByComparison = "comparison" // the last comparison of the target with the ledger
)

// Cause is a group that gives a grant, and the rule by which it does.
type Cause struct {
	Group string `json:"group"`
	IdP   string `json:"identity_provider"`
	Line  int    `json:"rule_line,omitempty"` // of the rule in the configuration file
}

// Row is one role of one account on one target, for one user who is that account.
type Row struct {
	User    string `json:"user"` // the userName; of an account without a user, the value that found it
	IdP     string `json:"identity_provider,omitempty"`
	UserID  string `json:"id,omitempty"`
	Account string `json:"account,omitempty"`
	Backend string `json:"backend"`
	Target  string `json:"target"`
	Role    string `json:"role"`
	State   string `json:"state"`
	Has     string `json:"has"`
	Change  string `json:"change,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Hold    string `json:"hold,omitempty"`

	Since       time.Time `json:"since,omitzero"` // of the grant: a repeated call does not change it
	From        []Cause   `json:"from"`
	Request     string    `json:"request,omitempty"`      // the request that asked for it
	RequestedBy string    `json:"requested_by,omitempty"` // an identity provider, an operator, or the bridge
	Confirmed   time.Time `json:"confirmed,omitzero"`
	ConfirmedBy string    `json:"confirmed_by,omitempty"`
}

// Query selects rows. An empty field selects all.
type Query struct {
	User    string // a userName, an e-mail address, an externalId, an id, or an account
	Role    string // a role, or the target whose role it is
	Target  string
	Backend string
	IdP     string
	At      time.Time // zero: now

	Unmanaged bool // only what the bridge does not manage
}

// Backend is a configured backend.
type Backend struct {
	Name  string
	Match string // which value of a user finds the account: email, userName or externalId
	Mode  string // sync, add_only or observe
}

// Source is what a report is read from.
type Source struct {
	Store    store.Store
	Backends []Backend // by name
	IdPs     []string  // those that are configured
	// Rules returns the rules in force, over the names of groups as they are bound.
	Rules func(tx store.Tx) *mapping.Rules
}

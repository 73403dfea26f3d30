package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// Type is a type of conditions, as the key `on` of a channel names it.
type Type string

// The types of conditions.
const (
	Hold         Type = "hold"                 // changes wait for a decision
	Blocked      Type = "blocked"              // users are blocked for a reason
	Unauthorized Type = "unauthorized"         // a vendor refuses the credential of a backend
	Unreachable  Type = "unreachable"          // a vendor does not answer
	RemovalLate  Type = "removal_late"         // a revocation is not delivered
	Expiring     Type = "expiring"             // a credential or a certificate ends soon
	AuditBroken  Type = "audit_broken"         // the audit trail is not what was sealed
	Rejected     Type = "rejected_credentials" // many requests have no valid credential
)

// Types lists the types of conditions.
func Types() []string {
	return []string{string(Hold), string(Blocked), string(Unauthorized), string(Unreachable),
		string(RemovalLate), string(Expiring), string(AuditBroken), string(Rejected)}
}

// Limits from which on something is a condition.
const (
	late         = 5 * time.Minute     // the age of a revocation that is not delivered
	soon         = 14 * 24 * time.Hour // before the end of a credential
	manyRejected = 100                 // requests without a valid credential within an hour
	maxHolds     = 20                  // of a backend that are conditions of their own
)

// FewRejected is how many rejected requests of one replica do not matter to the others.
const FewRejected = manyRejected / 10

// Facts is what the server knows at one moment. Unknown are the types about which it knows nothing
// now: their conditions stay as they are.
type Facts struct {
	Backends []BackendFacts
	Expiring []Credential
	Broken   bool // the chain of the audit trail
	Rejected int  // requests without a valid credential within the last hour
	Unknown  []Type
}

// BackendFacts is what the server knows of a backend.
type BackendFacts struct {
	Name          string
	State         string // in the word that `scimbridge status` prints
	Uncalled      bool   // no call was made since the start, so State proves nothing
	Holds         []HoldFacts
	Blocked       map[string]int // users by reason
	OldestRemoval time.Time
}

// HoldFacts is a hold: its id, its reason, and how many changes it holds.
type HoldFacts struct {
	ID, Why string
	Changes int
}

// The kinds of a Credential.
const (
	Token       = "token"
	OperatorKey = "operator_key"
	Certificate = "certificate"
)

// Credential is something that has an end.
type Credential struct {
	Kind    string
	Of      string // the identity provider of a token
	Name    string // the beginning of a hash, the name of an operator, or the key of the configuration
	Expires time.Time
}

// Condition is something that an operator must know of. It has no address and no text of a vendor.
type Condition struct {
	Type    Type      `json:"type"`
	Backend string    `json:"backend,omitempty"`
	ID      string    `json:"id,omitempty"` // of a hold or a credential
	Reason  string    `json:"reason,omitempty"`
	Of      string    `json:"of,omitempty"` // the identity provider of a credential
	Count   int       `json:"count,omitempty"`
	At      time.Time `json:"at,omitzero"` // the end of a credential; since when a revocation waits
}

// Key is equal for the same condition at every moment. Count and At do not belong to it.
func (c Condition) Key() string {
	return strings.Join([]string{string(c.Type), c.Backend, c.Of, c.ID, c.Reason}, "/")
}

// moreHolds is the id of the condition that stands for the holds beyond maxHolds.
const moreHolds = "more"

// Conditions returns the conditions that hold at a moment, by their keys.
func Conditions(f Facts, now time.Time) map[string]Condition {
	out := map[string]Condition{}
	add := func(c Condition) { out[c.Key()] = c }
	for _, b := range f.Backends {
		holds := slices.SortedFunc(slices.Values(b.Holds), func(x, y HoldFacts) int { return cmp.Compare(x.ID, y.ID) })
		for i, h := range holds {
			if i == maxHolds {
				add(Condition{Type: Hold, Backend: b.Name, ID: moreHolds, Count: len(holds) - maxHolds})
				break
			}
			add(Condition{Type: Hold, Backend: b.Name, ID: h.ID, Reason: h.Why, Count: h.Changes})
		}
		for _, why := range slices.Sorted(maps.Keys(b.Blocked)) {
			if n := b.Blocked[why]; n > 0 {
				add(Condition{Type: Blocked, Backend: b.Name, Reason: why, Count: n})
			}
		}
		switch b.State {
		case backend.Unauthorized.String():
			add(Condition{Type: Unauthorized, Backend: b.Name})
		case backend.Transient.String():
			add(Condition{Type: Unreachable, Backend: b.Name})
		}
		if !b.OldestRemoval.IsZero() && now.Sub(b.OldestRemoval) >= late {
			add(Condition{Type: RemovalLate, Backend: b.Name, At: b.OldestRemoval})
		}
	}
	for _, c := range f.Expiring {
		if !c.Expires.IsZero() && c.Expires.Sub(now) <= soon {
			add(Condition{Type: Expiring, ID: c.Name, Reason: c.Kind, Of: c.Of, At: c.Expires})
		}
	}
	if f.Broken {
		add(Condition{Type: AuditBroken})
	}
	if f.Rejected >= manyRejected {
		add(Condition{Type: Rejected, Count: f.Rejected})
	}
	return out
}

// unknown reports whether nothing is known now about a condition of a type at a backend.
func (f Facts) unknown(t Type, backend string) bool {
	ofState := t == Unauthorized || t == Unreachable
	return slices.Contains(f.Unknown, t) || ofState && slices.ContainsFunc(f.Backends, func(b BackendFacts) bool { return b.Name == backend && b.Uncalled })
}

// Text says in one sentence what the condition is.
func (c Condition) Text() string {
	switch c.Type {
	case Hold:
		if c.ID == moreHolds {
			return fmt.Sprintf("%d more hold(s) at %s wait for a decision", c.Count, c.Backend)
		}
		return fmt.Sprintf("hold %s at %s: %d change(s) wait for a decision (%s)", c.ID, c.Backend, c.Count, c.Reason)
	case Blocked:
		return fmt.Sprintf("%d user(s) are blocked at %s: %s", c.Count, c.Backend, c.Reason)
	case Unauthorized:
		return fmt.Sprintf("%s refuses the credential of the backend", c.Backend)
	case Unreachable:
		return fmt.Sprintf("%s does not answer", c.Backend)
	case RemovalLate:
		return fmt.Sprintf("the oldest revocation at %s is not delivered since %s", c.Backend, c.At.UTC().Format(time.RFC3339))
	case Expiring:
		end := c.At.UTC().Format(time.DateOnly)
		switch c.Reason {
		case Token:
			return fmt.Sprintf("the token %s of %s expires on %s", c.ID, c.Of, end)
		case OperatorKey:
			return fmt.Sprintf("the key of the operator %s expires on %s", c.ID, end)
		}
		return fmt.Sprintf("the certificate of %s expires on %s", c.ID, end)
	case AuditBroken:
		return "the audit trail is not what was sealed: its chain is broken"
	case Rejected:
		return fmt.Sprintf("%d requests within an hour had no valid credential", c.Count)
	}
	return string(c.Type)
}

// Command is what an operator types next.
func (c Condition) Command() string {
	switch c.Type {
	case Hold:
		return "scimbridge hold list"
	case Blocked:
		return "scimbridge blocked list"
	case Unauthorized, Unreachable:
		return "scimbridge doctor"
	case AuditBroken:
		return "scimbridge audit verify"
	case Expiring:
		switch c.Reason {
		case Token:
			return "scimbridge token new"
		case OperatorKey:
			return "scimbridge token operator " + c.ID
		}
		return "scimbridge check"
	}
	return "scimbridge status"
}

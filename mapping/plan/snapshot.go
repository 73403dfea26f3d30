package plan

import (
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Snapshot is what a plan for one target is made of. Plan changes nothing of it.
type Snapshot struct {
	Target   string
	Accounts map[string]Account // by account id; the target's own settings are store.TargetSettings

	// Ledger and Seen cost a read of the whole target. They are nil until a plan needs them.
	Ledger *Ledger
	Seen   *backend.Observation
	// Blind says that the vendor is not read for this plan: it goes by the ledger alone.
	Blind bool

	Rules   RulesChange
	Missing []Missing // users without an account
	Leavers *Leavers  // nil until a plan needs it

	// DistrustReadsUntil is until when no read of the vendor is trusted.
	DistrustReadsUntil time.Time
	// Revoked has the grants that were revoked a moment ago: a read may still show them.
	Revoked map[Grant]bool
	// UnverifiableUntil has refused revocations, and until when no read can tell whether they are
	// done.
	UnverifiableUntil map[Grant]time.Time
}

// RulesChange is a change of the rules of which not everything is decided.
type RulesChange struct {
	Fresh   bool // not everything was compared with the new rules yet: holds may begin
	Allowed bool // an operator lets go what they take away
	Cut     bool // not all rules of before are known: what is held stays held
}

// Replaces reports whether an account must have exactly some roles.
func (s Snapshot) Replaces() bool {
	for _, a := range s.Accounts {
		for _, w := range a.Want {
			if w.Replace {
				return true
			}
		}
	}
	return false
}

// Grant is one role of one account on the target of a snapshot.
type Grant struct{ Account, Role string }

// Account is what is known of one account of the target.
type Account struct {
	backend.Account
	Want   map[string]Wish        // desired grants, by role
	Former map[string]bool        // roles that the rules before a change would give
	Ledger map[string]store.Entry // by role
	Users  []User                 // those that are this account

	Frozen     []string  // roles that no rule may revoke now: their rule is paused
	Silenced   []string  // roles whose authoritative rule no longer speaks
	Offboarded bool      // every user is inactive or deleted
	Asked      time.Time // when the oldest change was asked for
	// Membership is nil where off-boarding takes no more than roles.
	Membership *Membership
	JustCalled bool // this process called for the account within the straggler window
}

// Wish is a desired grant of an account, as the union over its users.
type Wish struct {
	Replace bool // the account must have no other roles
	Firm    bool // a user wants it whose account was not found by a changed value
	Sure    bool // a user wants it whose account is known well enough
}

// User is a user who is an account.
type User struct {
	store.Subject
	Roles  []string // what the user wants on the target
	Marked bool     // the user waits to be looked up; read only if a wish is not sure
}

// Ledger is what the brakes measure: a summary of all entries of a target. Take adds one.
type Ledger struct {
	Users     map[string]bool            // accounts with a grant
	Holders   map[string]map[string]bool // role -> accounts
	Lately    map[string]map[string]bool // role -> accounts that got it a moment ago: reads may not show it
	Begun     map[string]map[string]bool // role -> accounts whose revocation has no clean answer
	HeldBy    map[string]bool            // accounts with a hold, the target itself excluded
	HeldWhy   map[string]bool            // reasons for which something is held
	Sent      []SentRemoval
	Disowned  map[string][]string // account -> roles that an operator rejected to revoke
	Unwritten bool                // the last process ended while it recorded a hold
}

// NewLedger is an empty summary.
func NewLedger() *Ledger {
	return &Ledger{Users: map[string]bool{}, Holders: map[string]map[string]bool{}, Lately: map[string]map[string]bool{},
		Begun: map[string]map[string]bool{}, HeldBy: map[string]bool{}, HeldWhy: map[string]bool{}}
}

// Take adds an entry of the target to the summary.
func (l *Ledger) Take(e store.Entry, now time.Time, straggler time.Duration) {
	if e.Hold != "" {
		l.HeldWhy[e.Why] = true
		if e.Account != store.TargetSettings {
			l.HeldBy[e.Account] = true
		}
	}
	switch {
	case e.Account == store.TargetSettings || e.State == store.Absent:
		return
	case e.State == store.Unknown && !e.Wanted:
		note(l.Begun, e)
		return
	}
	l.Users[e.Account] = true
	note(l.Holders, e)
	if e.State == store.Present && e.Doubt.IsZero() && Within(now, e.Sent, straggler) {
		note(l.Lately, e)
	}
}

func note(byRole map[string]map[string]bool, e store.Entry) {
	if byRole[e.Role] == nil {
		byRole[e.Role] = map[string]bool{}
	}
	byRole[e.Role][e.Account] = true
}

// After changes the summary to what it is once a plan is executed: a second plan of the same target, for
// other accounts, is measured by that.
func (l *Ledger) After(s Snapshot, p Plan, now time.Time) {
	for id, d := range p.Decisions {
		if len(d.Held) > 0 && id != store.TargetSettings {
			l.HeldBy[id] = true
		}
	}
	for _, c := range p.Calls {
		for _, change := range c.Delta.Changes {
			id := change.Account.ID
			d := p.Decisions[id]
			if change.Op != backend.Remove {
				continue
			}
			l.Sent = append(l.Sent, SentRemoval{Account: id, At: now, Leaving: s.Accounts[id].Offboarded, Approved: !d.Counts})
			for _, role := range change.Roles {
				delete(l.Holders[role], id)
			}
			if len(d.Remove) == len(d.Owned) {
				delete(l.Users, id)
			}
		}
	}
}

// SentRemoval is a revocation that a limit counts while its window lasts.
type SentRemoval struct {
	Account  string
	At       time.Time
	Leaving  bool // an off-boarding
	Approved bool // by an operator: no limit counts it
}

// MaxSlew is how far two clocks may drift apart before one of them is taken to have been set.
const MaxSlew = 2 * time.Second

// Within reports whether a recorded moment is less than a while ago. A moment in the future is of a
// clock that was set since: it is not.
func Within(now, at time.Time, while time.Duration) bool {
	ago := now.Sub(at)
	return ago < while && ago > -MaxSlew
}

// Taken is the entry of a foreign grant that the bridge takes over, to be revoked under the brakes.
func Taken(target, account, role, key string, now time.Time) store.Entry {
	return store.Entry{Target: target, Account: account, Role: role, Key: key, State: store.Present, Wanted: true, Since: now, Note: "foreign"}
}

package view

import (
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Limit is how many accounts may lose something on a target within a window.
type Limit = plan.Limit

// Mode says what may be done to a backend.
type Mode = plan.Mode

// Observe writes nothing, AddOnly never removes, Sync does both.
const (
	Observe = plan.Observe
	AddOnly = plan.AddOnly
	Sync    = plan.Sync
)

// Settings are what the configuration says of a backend, as far as it decides who has what.
type Settings struct {
	Match        string        // email | userName | externalId
	BatchSize    int           // people in one call
	BatchWait    time.Duration // how long to gather before calling
	Straggler    time.Duration // how long a call without a clean answer may still take effect
	Invite       bool          // ask the vendor for an account for users who have none
	Offboard     bool          // end more than roles for users who leave: see backend.Backend
	AccountCache time.Duration // the greatest age of what is known of accounts; 0: an hour
}

// Brakes say what may be done to a backend. A reload changes them.
type Brakes struct {
	Mode            Mode     // see View.ModeNow
	Protect         []string // never lose a role: folded keys
	OwnAccount      string   // the credential's own account: id, or folded key
	MaxRemovals     Limit
	MaxOffboardings Limit
}

// Policy is what a reload changes: the rules of all backends, and the brakes of one. Both change at one moment, so that
// no rule is executed under the brakes of another file.
type Policy struct {
	*mapping.Rules
	Brakes
}

// View is what the store says of one backend, in the transaction that each method is given.
type View struct {
	memory.Memory
	Settings
	InForce func() Policy
	Standby func() bool // nothing is changed, in every mode
	Recent  *memory.Recent
	Former  func(tx store.Tx) (Former, error)                // nil: what changed rules take away is not held
	Where   func(text string) (func(store.User) bool, error) // compiles the condition of a rule
}

// NewView returns a view whose InForce and Clock are to be set.
func NewView(name string, s Settings, traits func() backend.Traits) *View {
	if s.AccountCache == 0 {
		s.AccountCache = time.Hour
	}
	return &View{Memory: memory.Memory{Name: name, Traits: traits}, Settings: s, Standby: func() bool { return false }, Recent: memory.NewRecent()}
}

// ModeNow is the mode that holds now.
func (w *View) ModeNow() Mode {
	if w.Standby() {
		return Observe
	}
	return w.InForce().Mode
}

// GoesBy is what the store says of a policy once all targets are marked for it.
func (w *View) GoesBy(p Policy) string {
	mode := p.Mode
	if w.Standby() {
		mode = Observe
	}
	return fmt.Sprintf("%s %s %s %q %q", p.Fingerprint(w.Name), w.Match, mode, p.Protect, p.OwnAccount)
}

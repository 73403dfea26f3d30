package resync

import (
	"time"

	"github.com/scimbridge/scimbridge/mapping/lookup"
	"github.com/scimbridge/scimbridge/mapping/memory"
)

// Drift is a difference that a resync finds: a grant of ours that is gone, or one that was not given through the bridge.
const (
	DriftMissing = "missing"
	DriftForeign = "foreign"
)

// secondLook is how long after a mismatch the target is read again: reads of the vendors lag by seconds.
const secondLook = 5 * time.Second

// Resync compares what the vendor has with the ledger: every target every so often, at the request of an operator, and
// once more shortly after a mismatch.
type Resync struct {
	*lookup.Finder
	Every  time.Duration     // 0: never by itself
	Drift  func(kind string) // DriftMissing or DriftForeign
	Repair *Repair

	at         time.Time                        // when everything is compared next; zero: never by itself
	began      time.Time                        // when everything was compared last
	looks      map[string]time.Time             // targets to compare, and when
	suspects   map[memory.Grant]bool            // seen once, and to be removed if it is seen again
	foreigners map[memory.Grant]bool            // that were reported
	found      map[string]map[memory.Grant]bool // by kind: what a transaction that is under way found
}

// New returns what compares targets, and the directory with the ledger.
func New(f *lookup.Finder, every time.Duration, drift func(kind string), repaired func()) *Resync {
	return &Resync{Finder: f, Every: every, Drift: drift, Repair: &Repair{Finder: f, Repaired: repaired}, looks: map[string]time.Time{},
		suspects: map[memory.Grant]bool{}, foreigners: map[memory.Grant]bool{}, found: map[string]map[memory.Grant]bool{}}
}

// Again plans what is to be compared as after a start: the clock was set.
func (w *Resync) Again() {
	for target := range w.looks { // what is to be compared still is
		w.looks[target] = w.Clock().Add(secondLook)
	}
	w.Schedule(w.Clock(), w.Every)
}

// Begin begins a comparison.
func (w *Repair) Begin() { w.net = &netPass{} }

// Under reports whether a comparison is under way.
func (w *Repair) Under() bool { return w.net != nil }

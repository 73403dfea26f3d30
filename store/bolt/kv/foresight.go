package kv

import (
	"slices"

	"github.com/scimbridge/scimbridge/store/bolt/codec"
)

// MaxSurveys is how often a function is run to learn its changes: it may see another directory each time. After that it does
// everything by itself, however long that takes.
const MaxSurveys = 3

// Change is a change of members that is prepared before the function that asked for it runs again.
type Change struct {
	IdP, Group string
	Values     []string
	Add        bool
	Numbers    []codec.Number // of the values; 0: a value that has none and is to be removed
}

// Foresight is what is known about the changes of a job.
type Foresight struct {
	Surveys int
	Noted   []Change // by the survey under way
	Ready   []Change // prepared, in the order in which the function asks for them
	next    int      // in ready
	seen    int      // values that this run has changed, or asked to
}

// Begin prepares for another run of the function.
func (f *Foresight) Begin() { f.Noted, f.next, f.seen = nil, 0, 0 }

// Surveying says whether the run under way only learns what is to be changed.
func (f *Foresight) Surveying() bool { return len(f.Noted) > 0 }

// Ask says what is known about a change: its numbers if it was prepared, or that it is only noted now.
func (f *Foresight) Ask(part int, a Change) (numbers []codec.Number, noted bool) {
	if f.next < len(f.Ready) {
		if r := f.Ready[f.next]; r.IdP == a.IdP && r.Group == a.Group && r.Add == a.Add && slices.Equal(r.Values, a.Values) {
			f.next++
			return r.Numbers, false
		}
	}
	f.seen += len(a.Values)
	if f.seen <= part || f.Surveys >= MaxSurveys {
		return nil, false
	}
	f.Noted = append(f.Noted, a)
	return nil, true
}

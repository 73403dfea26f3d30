package kv

import (
	"slices"

	"github.com/scimbridge/scimbridge/store/bolt/codec"
)

// MaxSurveys is how often a function is run to learn its changes: the directory may change between the runs.
// After that it makes its changes unprepared, however long that takes.
const MaxSurveys = 3

// Change is a change of members that is prepared before its function runs again.
type Change struct {
	IdP, Group string
	Values     []string
	Add        bool
	Numbers    []codec.Number // of the values; 0: a value without one, in a removal
}

// Foresight holds the surveyed and the prepared changes of a job.
type Foresight struct {
	Surveys int
	Noted   []Change // by the survey under way
	Ready   []Change // prepared, in the order of the function
	next    int      // in ready
	seen    int      // values that this run has changed or noted
}

// Begin prepares for another run of the function.
func (f *Foresight) Begin() { f.Noted, f.next, f.seen = nil, 0, 0 }

// Surveying reports whether the current run only notes its changes.
func (f *Foresight) Surveying() bool { return len(f.Noted) > 0 }

// Ask returns the numbers of a prepared change, or notes the change in a survey.
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

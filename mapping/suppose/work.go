package suppose

import (
	"iter"

	"github.com/scimbridge/scimbridge/store"
)

// work is the work of a backend with more marks: what a changed user waits for is tried at once.
type work struct {
	store.Work
	more []store.Mark
}

// Marks implements store.Work.
func (w work) Marks(target string) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		for m, err := range w.Work.Marks(target) {
			if !yield(m, err) {
				return
			}
		}
		if target != "" && target != store.AnyTarget {
			return
		}
		for _, m := range w.more {
			if !yield(m, nil) {
				return
			}
		}
	}
}

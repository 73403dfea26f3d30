package directory

import (
	"slices"

	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// recent holds the members that a function has added and removed, with their numbers: its events name them next.
type recent struct {
	plan    *kv.Foresight
	values  [2][]string // removed, added
	numbers [2][]codec.Number
}

func (r *recent) note(j *kv.Foresight, values []string, numbers []codec.Number, added bool) {
	if r.plan != j {
		*r = recent{plan: j}
	}
	i := 0
	if added {
		i = 1
	}
	r.values[i] = append(slices.Clip(r.values[i]), values...)
	r.numbers[i] = append(slices.Clip(r.numbers[i]), numbers...)
}

// Numbers returns the numbers of ids. It is fast for the members of recent changes, in their order.
func (d *Directory) Numbers() func(id string) (codec.Number, bool, error) {
	r := *d.recents()
	var next [2]int
	return func(id string) (codec.Number, bool, error) {
		for i, values := range r.values {
			for at := next[i]; at < min(next[i]+kv.Near, len(values)); at++ {
				if values[at] == id {
					next[i] = at + 1
					return r.numbers[i][at], true, nil
				}
			}
		}
		return d.Number(id)
	}
}

// recents returns the recent changes of this directory in the transaction.
func (d *Directory) recents() *recent {
	r, ok := d.Memo.(*recent)
	if !ok {
		r = &recent{}
		d.Memo = r
	}
	return r
}

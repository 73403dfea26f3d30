package access

import (
	"cmp"
	"slices"
)

// interner keeps each string once and numbers it. The number of "" is 0.
type interner struct {
	numbers map[string]uint32
	all     []string
}

func newInterner() *interner { return &interner{map[string]uint32{"": 0}, []string{""}} }

// number returns the number of a string and keeps the string.
func (in *interner) number(s string) uint32 {
	n, known := in.numbers[s]
	if !known {
		n = uint32(len(in.all))
		in.numbers[s], in.all = n, append(in.all, s)
	}
	return n
}

// find returns the number of a string that is kept.
func (in *interner) find(s string) (n uint32, known bool) {
	n, known = in.numbers[s]
	return n, known
}

// ranks returns the place of each string among all in their order, by number.
func (in *interner) ranks() []uint32 {
	order := make([]uint32, len(in.all))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(in.all[a], in.all[b]) })
	ranks := make([]uint32, len(in.all))
	for place, n := range order {
		ranks[n] = uint32(place)
	}
	return ranks
}

func (in *interner) text(n uint32) string { return in.all[n] }

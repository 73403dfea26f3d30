package access

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

func (in *interner) text(n uint32) string { return in.all[n] }

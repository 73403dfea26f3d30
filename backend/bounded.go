package backend

import (
	"errors"
	"fmt"
	"io"
)

// Limits of an answer. A compressed answer of 59 KiB can hold twenty million empty elements, and each
// takes more memory than its text.
const (
	maxElements = 100_000   // of all arrays together
	maxListed   = 2_000_000 // the same, in an answer that is a list
	maxNested   = 1000
)

// bounded reads an answer up to its limits: decompressed bytes, and elements.
type bounded struct {
	from            io.Reader
	bytes, elements int
	most            int    // bytes
	open            []byte // the brackets that are open
	quoted, escaped bool
	exceeded        error // nil: no limit so far
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.exceeded != nil {
		return 0, b.exceeded
	}
	n, err := b.from.Read(p)
	if b.bytes -= n; b.bytes < 0 {
		b.exceeded = fmt.Errorf("the answer is larger than %d MiB", b.most>>20)
		return 0, b.exceeded
	}
	for _, c := range p[:n] {
		b.count(c)
	}
	if b.exceeded != nil {
		return 0, b.exceeded
	}
	return n, err
}

// count reads one byte of JSON. Each comma of an array stands for an element.
func (b *bounded) count(c byte) {
	switch {
	case b.escaped:
		b.escaped = false
	case b.quoted:
		b.escaped, b.quoted = c == '\\', c != '"'
	case c == '"':
		b.quoted = true
	case c == '[' || c == '{':
		if b.open = append(b.open, c); len(b.open) > maxNested {
			b.exceeded = errors.New("the answer nests too deeply")
		}
	case (c == ']' || c == '}') && len(b.open) > 0:
		b.open = b.open[:len(b.open)-1]
	case c == ',' && len(b.open) > 0 && b.open[len(b.open)-1] == '[':
		if b.elements--; b.elements < 0 {
			b.exceeded = errors.New("the answer has too many elements")
		}
	}
}

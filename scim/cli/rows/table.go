package rows

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim/legible"
)

// table prints rows in columns.
type table[T any] struct {
	Columns[T]
	to     *bufio.Writer
	first  [][]string
	widths []int
}

// measured is how many rows decide about the columns.
const measured = 200

func newTable[T any](w io.Writer, columns Columns[T]) *table[T] {
	return &table[T]{Columns: columns, to: bufio.NewWriterSize(w, 1<<16), first: [][]string{columns.Table}}
}

// Row implements Printer.
func (t *table[T]) Row(line []byte) error {
	r, err := read[T](line)
	if err != nil {
		return err
	}
	cells := t.Cells(&r)
	for i, cell := range cells {
		if cells[i] = legible.Text(cell); cell == "" {
			cells[i] = "-"
		}
	}
	if t.widths == nil {
		if t.first = append(t.first, cells); len(t.first) <= measured {
			return nil
		}
		return t.flushFirst()
	}
	return t.print(cells)
}

func (t *table[T]) flushFirst() error {
	t.widths = make([]int, len(t.Table))
	for _, cells := range t.first {
		for i, cell := range cells {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cells := range t.first {
		if err := t.print(cells); err != nil {
			return err
		}
	}
	t.first = nil
	return nil
}

func (t *table[T]) print(cells []string) error {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	b.WriteByte('\n')
	_, err := t.to.WriteString(b.String())
	return err
}

// End implements Printer.
func (t *table[T]) End(rows int) error {
	if rows == 0 && t.widths == nil {
		if t.None != "" {
			if _, err := t.to.WriteString(t.None + "\n"); err != nil {
				return err
			}
		}
		return t.to.Flush()
	}
	if t.widths == nil {
		if err := t.flushFirst(); err != nil {
			return err
		}
	}
	return t.to.Flush()
}

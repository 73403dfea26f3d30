package rows

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/legible"
)

// Printer prints rows.
type Printer interface {
	Row(line []byte) error // a JSON object and a line end
	End(rows int) error
}

// Columns says how rows of a list are printed.
type Columns[T any] struct {
	Table []string
	Cells func(*T) []string // an empty one is printed as "-"

	CSV      []string
	CSVCells func(*T) []string

	None string // instead of a table without rows; "" prints nothing
}

// Format is the form that the flags of a command choose. The zero value is a table.
type Format struct{ CSV, JSON bool }

// Flags adds the flags.
func (f *Format) Flags(c *cobra.Command) {
	c.Flags().BoolVar(&f.CSV, "csv", false, "print CSV, safe to open in a spreadsheet")
	c.Flags().BoolVar(&f.JSON, "json", false, "print JSON, one object a line")
}

// Check refuses two forms at once.
func (f Format) Check() error {
	if f.CSV && f.JSON {
		return errors.New("--csv and --json exclude each other")
	}
	return nil
}

// New returns what prints rows to w in a form.
func New[T any](f Format, w io.Writer, columns Columns[T]) Printer {
	switch {
	case f.CSV:
		return &csvRows[T]{Columns: columns, to: csv.NewWriter(w)}
	case f.JSON:
		return jsonRows{bufio.NewWriterSize(w, 1<<16)}
	default:
		return newTable(w, columns)
	}
}

func read[T any](line []byte) (row T, err error) {
	if err := json.Unmarshal(line, &row); err != nil {
		return row, fmt.Errorf("reading the server's answer: %w", err)
	}
	return row, nil
}

// Moment is a time for a cell; "" for the zero time.
func Moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return legible.Moment(at)
}

// csvRows prints rows as CSV.
type csvRows[T any] struct {
	Columns[T]
	to     *csv.Writer
	header bool
}

// Row implements Printer.
func (c *csvRows[T]) Row(line []byte) error {
	r, err := read[T](line)
	if err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	cells := c.CSVCells(&r)
	for i := range cells {
		cells[i] = legible.Cell(cells[i])
	}
	return c.to.Write(cells)
}

func (c *csvRows[T]) begin() error {
	if c.header {
		return nil
	}
	c.header = true
	return c.to.Write(c.CSV)
}

// End implements Printer.
func (c *csvRows[T]) End(int) error {
	if err := c.begin(); err != nil {
		return err
	}
	c.to.Flush()
	return c.to.Error()
}

// jsonRows passes rows on as they come.
type jsonRows struct{ to *bufio.Writer }

// Row implements Printer.
func (j jsonRows) Row(line []byte) error {
	_, err := j.to.Write(line)
	return err
}

// End implements Printer.
func (j jsonRows) End(int) error { return j.to.Flush() }

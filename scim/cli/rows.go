package cli

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// csvRows prints rows of access as CSV.
type csvRows struct {
	to     *csv.Writer
	header bool
}

func newCSV(w io.Writer) *csvRows { return &csvRows{to: csv.NewWriter(w)} }

var csvColumns = []string{"user", "identity_provider", "id", "account", "backend", "target", "role", "state", "has", "change", "reason", "hold",
	"since", "why", "request", "requested_by", "confirmed", "confirmed_by"}

func (c *csvRows) row(line []byte) error {
	r, err := readRow(line)
	if err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	cells := []string{r.User, r.IdP, r.UserID, r.Account, r.Backend, r.Target, r.Role, r.State, r.Has, r.Change, r.Reason, r.Hold,
		csvMoment(r.Since), why(r.From), r.Request, r.RequestedBy, csvMoment(r.Confirmed), r.ConfirmedBy}
	for i := range cells {
		cells[i] = legible.Cell(cells[i])
	}
	return c.to.Write(cells)
}

// csvMoment returns a time, or an empty cell.
func csvMoment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return legible.Moment(at)
}

func (c *csvRows) begin() error {
	if c.header {
		return nil
	}
	c.header = true
	return c.to.Write(csvColumns)
}

func (c *csvRows) end(int) error {
	if err := c.begin(); err != nil {
		return err
	}
	c.to.Flush()
	return c.to.Error()
}

// why names the groups that give a role, and the rules.
func why(from []access.Cause) string {
	all := make([]string, 0, len(from))
	for _, c := range from {
		text := c.IdP + "/" + c.Group
		if c.Line > 0 {
			text += fmt.Sprintf(" (line %d)", c.Line)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// tableRows prints rows of access in columns. The first rows decide how wide a column is: the table
// is not kept.
type tableRows struct {
	to     *bufio.Writer
	first  [][]string
	widths []int
}

// measuredRows is how many rows decide about the columns.
const measuredRows = 200

var tableColumns = []string{"USER", "ACCOUNT", "BACKEND", "TARGET", "ROLE", "STATE", "SINCE", "WHY", "REQUEST", "CONFIRMED"}

func newTable(w io.Writer) *tableRows {
	return &tableRows{to: bufio.NewWriterSize(w, 1<<16), first: [][]string{tableColumns}}
}

func (t *tableRows) row(line []byte) error {
	r, err := readRow(line)
	if err != nil {
		return err
	}
	confirmed := legible.Moment(r.Confirmed)
	if r.ConfirmedBy != "" {
		confirmed += " " + r.ConfirmedBy
	}
	request := r.Request
	if request == "" {
		request = r.RequestedBy
	}
	cells := []string{r.User, r.Account, r.Backend, r.Target, r.Role, stateWords(&r), legible.Moment(r.Since), why(r.From), request, confirmed}
	for i, cell := range cells {
		if cells[i] = legible.Text(cell); cell == "" {
			cells[i] = "-"
		}
	}
	if t.widths == nil {
		if t.first = append(t.first, cells); len(t.first) <= measuredRows {
			return nil
		}
		return t.flushFirst()
	}
	return t.print(cells)
}

// stateWords returns a state with what is to become of it and why.
func stateWords(r *access.Row) string {
	s := strings.ReplaceAll(r.State, "_", " ")
	if r.State == access.Pending {
		s += " " + r.Change
	}
	if r.Reason != "" {
		s += ": " + r.Reason
	}
	if r.Hold != "" {
		s += " (" + r.Hold + ")"
	}
	return s
}

func (t *tableRows) flushFirst() error {
	t.widths = make([]int, len(tableColumns))
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

func (t *tableRows) print(cells []string) error {
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

func (t *tableRows) end(rows int) error {
	if rows == 0 {
		if _, err := t.to.WriteString("no grant matches\n"); err != nil {
			return err
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

package planned

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// LiveCSV writes a line for each row of comparisons with the vendors.
func LiveCSV(w io.Writer, all []live.Report) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"backend", "mode", "target", "person", "account", "role", "action", "state", "has", "reason", "why", "until"}) // Flush keeps the error
	for _, r := range all {
		for _, g := range r.Rows {
			until := ""
			if !g.Until.IsZero() {
				until = g.Until.UTC().Format(time.RFC3339)
			}
			row := []string{r.Backend, string(r.Mode), g.Target, g.Person, g.Account, g.Role, string(g.Action), string(g.State), g.Has, g.Reason, strings.Join(g.Why, "; "), until}
			for i, cell := range row {
				row[i] = legible.Cell(cell)
			}
			_ = out.Write(row)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// LiveText prints comparisons with the vendors for people: totals first, then a line for each role of
// each user.
func LiveText(w io.Writer, all []live.Report) error {
	out := bufio.NewWriter(w)
	for _, r := range all {
		LiveSummary(out, r)
		for _, n := range append(append([]string{}, r.Rules...), r.Notes...) {
			fmt.Fprintf(out, "  note: %s\n", legible.Text(n))
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for i, g := range r.Rows {
			if i == 0 {
				fmt.Fprintln(table, "  PERSON\tTARGET\tROLE\tACTION\tSTATE\tHAS IT NOW\tWHY")
			}
			cells := []string{g.Person, g.Target, g.Role, action(g.Action), stateOf(r, g), g.Has, strings.Join(g.Why, "; ")}
			if g.Person == "" {
				cells[0] = g.Account
			}
			for i, cell := range cells {
				if cells[i] = legible.Text(cell); cell == "" {
					cells[i] = "-"
				}
			}
			fmt.Fprintln(table, "  "+strings.Join(cells, "\t"))
		}
		_ = table.Flush() // out keeps the error
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// LiveSummary prints what becomes of how many grants, and which targets could not be read.
func LiveSummary(w io.Writer, r live.Report) {
	fmt.Fprintf(w, "%s, in the mode %s, compared with the vendor at %s:\n", legible.Text(r.Backend), r.Mode, legible.Moment(r.At))
	if len(r.Totals) == 0 {
		fmt.Fprintln(w, "  no role is given, and none is there")
	}
	for _, t := range r.Totals {
		if t.Action != live.NotRead {
			fmt.Fprintf(w, "  %-12s %6d role(s) of %d user(s)%s\n", action(t.Action), t.Grants, t.Users, words(r, t.State, ", "))
		}
	}
	for _, t := range r.Targets {
		target := legible.Text(t.Target)
		switch t.Read {
		case live.Unread:
			fmt.Fprintf(w, "  not read: %s: %s\n", target, legible.Text(t.Reason))
		case live.Incomplete:
			fmt.Fprintf(w, "  read in part: %s: what is not shown may be there\n", target)
		case live.Missing:
			fmt.Fprintf(w, "  the vendor has no %s\n", target)
		case live.Complete:
			if t.Shows != "all" {
				fmt.Fprintf(w, "  on %s the vendor shows of roles: %s\n", target, legible.Text(t.Shows))
			}
		}
	}
}

func action(a live.Action) string { return strings.NewReplacer("_", "-").Replace(string(a)) }

// words puts a state into words, after a separator; "" where the action says all.
func words(r live.Report, s desk.PlannedState, after string) string {
	switch s {
	case desk.Stays:
		return ""
	case desk.LookUpFirst:
		return after + "after a look-up"
	case desk.NotInMode:
		return after + "in sync; not sent in " + string(r.Mode)
	}
	return after + string(s)
}

func stateOf(r live.Report, g live.Row) string {
	s := words(r, g.State, "")
	if g.Reason != "" && s != "" {
		return s + ": " + g.Reason
	}
	return s + g.Reason
}

// Unread names the targets of which a comparison does not know everything; "" if there is none.
func Unread(all []live.Report) string {
	var names []string
	for _, r := range all {
		for _, t := range r.Targets {
			if t.Read == live.Unread || t.Read == live.Incomplete {
				names = append(names, fmt.Sprintf("%s of %s (%s)", legible.Text(t.Target), legible.Text(r.Backend), legible.Text(t.Reason)))
			}
		}
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

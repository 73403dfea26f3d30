package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/cli/rows"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store/audit"
)

func eventsCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "events", Short: "The newest events of the audit trail", Args: noArgs,
		Example: "  scimbridge events tail --follow\n  scimbridge events tail --type hold --last 100",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(eventsTailCommand(server, stdout))
	return c
}

// followEvery is how often the server is asked for more events. An event is shown once it has its place in the chain.
const followEvery = time.Second

func eventsTailCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var f audit.Filter
	var form rows.Format
	var last int
	var follow bool
	c := &cobra.Command{Use: "tail", Short: "Print the newest events, and with --follow those that come", Args: noArgs,
		Long: "Print the newest events of the audit trail, and with --follow those that come, about two seconds\nafter they happened. `scimbridge audit export` writes all events.",
		Example: "  scimbridge events tail --follow\n  scimbridge events tail --person ada@example.com --last 50\n" +
			"  scimbridge events tail --type revoke --follow --json | jq -r .event.name",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := form.Check(); err != nil {
				return usageError{err}
			}
			if last < 0 || last > 10_000 {
				return usageError{errors.New("--last must be between 0 and 10000")}
			}
			columns := eventColumns()
			if follow {
				columns.None = ""
			}
			out := rows.New(form, stdout, columns)
			q := console.AuditQuery(f)
			q.Set("last", strconv.Itoa(last))
			q.Set("follow", strconv.FormatBool(follow))
			for {
				end, err := rows.Read(c.Context(), server, "/api/events?"+q.Encode(), out, stdout)
				if c.Context().Err() != nil { // interrupted
					return nil
				}
				if err != nil || !follow {
					return err
				}
				q.Set("after", strconv.FormatUint(end.Place, 10))
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(followEvery):
				}
			}
		}}
	c.Flags().IntVar(&last, "last", 20, "begin with so many of the newest events")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the events that come, until interrupted")
	c.Flags().StringVar(&f.Person, "person", "", "about this user: a userName, an e-mail address, an externalId, an id or an account")
	c.Flags().StringVar(&f.Role, "role", "", "about this role, or the role of this target")
	c.Flags().StringVar(&f.Backend, "backend", "", "about this backend")
	c.Flags().StringVar(&f.Request, "request", "", "what this request changed, and what followed")
	c.Flags().StringVar(&f.Type, "type", "", "of this type, such as grant, or hold for all decisions about holds")
	form.Flags(c)
	return c
}

// event is a line of the audit trail.
type event struct {
	Place uint64 `json:"place"`
	Event struct {
		At        time.Time `json:"at"`
		Type      string    `json:"type"`
		Actor     string    `json:"actor"`
		Initiator string    `json:"initiator"`
		Token     string    `json:"token"`
		Request   string    `json:"request"`
		Reason    string    `json:"reason"`
		IdP       string    `json:"idp"`
		Subject   string    `json:"subject"`
		Name      string    `json:"name"`
		Added     []string  `json:"added"`
		Removed   []string  `json:"removed"`
		Before    string    `json:"before"`
		After     string    `json:"after"`
		Backend   string    `json:"backend"`
		Target    string    `json:"target"`
		Account   string    `json:"account"`
		Role      string    `json:"role"`
		Causes    []string  `json:"causes"`
		Evidence  string    `json:"evidence"`
		Detail    string    `json:"detail"`
	} `json:"event"`
}

func eventColumns() rows.Columns[event] {
	return rows.Columns[event]{
		Table: []string{"TIME", "EVENT", "BY", "ABOUT", "WHERE", "ROLE", "DETAIL", "REQUEST"},
		Cells: func(l *event) []string {
			e := &l.Event
			return []string{rows.Moment(e.At), e.Type, by(cmp.Or(e.Initiator, e.Actor), e.Token), e.Name, strings.Trim(e.Backend+"/"+e.Target, "/"), e.Role, detail(l), e.Request}
		},
		CSV: []string{"place", "at", "type", "actor", "initiator", "token", "request", "reason", "identity_provider", "subject", "name", "added", "removed", "before", "after",
			"backend", "target", "account", "role", "causes", "evidence", "detail"},
		CSVCells: func(l *event) []string {
			e := &l.Event
			place := ""
			if l.Place > 0 {
				place = strconv.FormatUint(l.Place, 10)
			}
			return []string{place, rows.Moment(e.At), e.Type, e.Actor, e.Initiator, e.Token, e.Request, e.Reason, e.IdP, e.Subject, e.Name, strings.Join(e.Added, " "), strings.Join(e.Removed, " "), e.Before, e.After,
				e.Backend, e.Target, e.Account, e.Role, strings.Join(e.Causes, "; "), e.Evidence, e.Detail}
		},
		None: "no event matches",
	}
}

// by names who asked, with the operator's name where a key has one.
func by(who, token string) string {
	if who == "operator" && token != "" {
		return who + " " + token
	}
	return who
}

// detail is what else a person wants to see of an event in a line.
func detail(l *event) string {
	e := &l.Event
	all := e.Causes
	if n := len(e.Added); n > 0 {
		all = append(all, fmt.Sprintf("%d added", n))
	}
	if n := len(e.Removed); n > 0 {
		all = append(all, fmt.Sprintf("%d removed", n))
	}
	for _, text := range []string{e.Detail, e.Reason} {
		if text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, "; ")
}

// asEvents prints lines of an export in another form.
func asEvents(form rows.Format, to io.Writer, write func(io.Writer) error) error {
	out := &lineWriter{to: rows.New(form, to, eventColumns())}
	if err := write(out); err != nil {
		return err
	}
	return out.to.End(out.rows)
}

// lineWriter hands each line that is written to a printer.
type lineWriter struct {
	to   rows.Printer
	rest []byte
	rows int
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	all := append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(all, []byte("\n"))
		if !found {
			w.rest = append([]byte(nil), all...)
			return len(p), nil
		}
		if err := w.to.Row(line); err != nil {
			return 0, err
		}
		w.rows++
		all = rest
	}
}

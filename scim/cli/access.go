package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
)

const accessLong = `Show who has which role, now or at a moment in the past.

Each row is one role of one account at a backend, for one user. STATE is one of

  granted      the vendor confirmed it
  adopted      confirmed, too; it was there before a group gave it
  pending      is about to be granted, or revoked
  held         the revocation waits for an operator: scimbridge hold list
  blocked      cannot be granted or revoked now; the reason is behind it
  in doubt     a call has no clean answer yet; it is repeated or read back
  unmanaged    the vendor shows it and the bridge did not grant it (foreign),
               or an operator rejected its removal (disowned)

SINCE is when the grant began: a repeated call does not change it. WHY is the
group that gives the role, and the line of the rule in the configuration.
REQUEST asked for it: scimbridge audit export --request ID. CONFIRMED is when
the vendor last showed that the account has the role, and how: by the answer to
a call, by a reading after a call (read_back), or by a comparison (resync).

--at reads the audit trail. What cannot be known is said in notes, which go to
standard error with --csv and --json.`

func accessCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var q access.Query
	var at string
	var asCSV, asJSON bool
	c := &cobra.Command{Use: "access", Short: "Show who has which role, since when and why, now or at a moment", Long: accessLong, Args: noArgs,
		Example: "  scimbridge access --user ada@example.com\n  scimbridge access --role USER_ROLE_GROUP_ADMIN --at 2026-11-26T12:00:00Z\n" +
			"  scimbridge access --unmanaged\n  scimbridge access --csv > access.csv\n  scimbridge access --json | jq -r 'select(.state==\"blocked\") | .user'"}
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if asCSV && asJSON {
			return usageError{errors.New("--csv and --json exclude each other")}
		}
		for _, name := range []string{"user", "role", "target", "backend", "idp", "at"} {
			if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
				return usageError{fmt.Errorf("--%s is empty", name)}
			}
		}
		if q.At, err = momentOf(at, time.Now()); err != nil {
			return usageError{fmt.Errorf("--at %q %w", legible.Clip(at), err)}
		}
		var out rowWriter = newTable(stdout)
		notes := stdout
		switch {
		case asCSV:
			out, notes = newCSV(stdout), c.ErrOrStderr()
		case asJSON:
			out, notes = jsonRows{bufio.NewWriterSize(stdout, 1<<16)}, c.ErrOrStderr()
		}
		return readAccess(c, server, q, out, notes)
	}
	f := c.Flags()
	f.StringVar(&q.User, "user", "", "of this user: a userName, an e-mail address, an externalId, an id or an account")
	f.StringVar(&q.Role, "role", "", "this role, or the role of this target")
	f.StringVar(&q.Target, "target", "", "on this target: a group at VirusTotal, a role at Risk Cloud")
	f.StringVar(&q.Backend, "backend", "", "at this backend, by its name in the configuration")
	f.StringVar(&q.IdP, "idp", "", "of users of this identity provider, by its name in the configuration")
	f.StringVar(&at, "at", "", "as of this moment: 2026-11-26 (0:00 UTC), 2026-11-26T12:00:00Z, or 24h (ago)")
	f.BoolVar(&q.Unmanaged, "unmanaged", false, "only what the bridge did not grant, or gave up")
	f.BoolVar(&asCSV, "csv", false, "print CSV, safe to open in a spreadsheet")
	f.BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return c
}

// rowWriter prints rows.
type rowWriter interface {
	row(line []byte) error
	end(rows int) error
}

// readAccess prints the answer of the server while it arrives.
func readAccess(c *cobra.Command, server *remote.Server, q access.Query, out rowWriter, notes io.Writer) error {
	o, err := remote.New(server)
	if err != nil {
		return err
	}
	o.Patient() // a large directory takes a while
	body, err := o.Open(c.Context(), http.MethodGet, "/api/access?"+console.AccessQuery(q).Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read to its end, or of no use
	lines := bufio.NewReaderSize(body, 1<<16)
	var said []string
	for {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("reading the server's answer, which broke off: %w", err)
		}
		if bytes.HasPrefix(raw, []byte(`{"user":`)) {
			if err := out.row(raw); err != nil {
				return err
			}
			continue
		}
		var line console.AccessLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		if line.End == nil {
			said = append(said, line.Note)
			continue
		}
		if err := out.end(*line.End); err != nil {
			return err
		}
		for _, n := range said {
			if _, err := fmt.Fprintln(notes, "note: "+legible.Text(n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// readRow reads a row of the server's answer.
func readRow(line []byte) (r access.Row, err error) {
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("reading the server's answer: %w", err)
	}
	return r, nil
}

// jsonRows passes rows on as they come.
type jsonRows struct{ to *bufio.Writer }

func (j jsonRows) row(line []byte) error {
	_, err := j.to.Write(line)
	return err
}

func (j jsonRows) end(int) error { return j.to.Flush() }

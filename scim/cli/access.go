package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/cli/rows"
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
	var form rows.Format
	c := &cobra.Command{Use: "access", Short: "Show who has which role, since when and why, now or at a moment", Long: accessLong, Args: noArgs,
		Example: "  scimbridge access --user ada@example.com\n  scimbridge access --role USER_ROLE_GROUP_ADMIN --at 2026-11-26T12:00:00Z\n" +
			"  scimbridge access --unmanaged\n  scimbridge access --csv > access.csv\n  scimbridge access --json | jq -r 'select(.state==\"blocked\") | .user'"}
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if err := form.Check(); err != nil {
			return usageError{err}
		}
		for _, name := range []string{"user", "role", "target", "backend", "idp", "at"} {
			if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
				return usageError{fmt.Errorf("--%s is empty", name)}
			}
		}
		if q.At, err = momentOf(at, time.Now()); err != nil {
			return usageError{fmt.Errorf("--at %q %w", legible.Clip(at), err)}
		}
		_, err = rows.Read(c.Context(), server, "/api/access?"+console.AccessQuery(q).Encode(), rows.New(form, stdout, accessColumns()), notesTo(c, form, stdout))
		return err
	}
	f := c.Flags()
	f.StringVar(&q.User, "user", "", "of this user: a userName, an e-mail address, an externalId, an id or an account")
	f.StringVar(&q.Role, "role", "", "this role, or the role of this target")
	f.StringVar(&q.Target, "target", "", "on this target: a group at VirusTotal, a role at Risk Cloud")
	f.StringVar(&q.Backend, "backend", "", "at this backend, by its name in the configuration")
	f.StringVar(&q.IdP, "idp", "", "of users of this identity provider, by its name in the configuration")
	f.StringVar(&at, "at", "", "as of this moment: 2026-11-26 (0:00 UTC), 2026-11-26T12:00:00Z, or 24h (ago)")
	f.BoolVar(&q.Unmanaged, "unmanaged", false, "only what the bridge did not grant, or gave up")
	form.Flags(c)
	return c
}

// notesTo is where the notes of a list go: away from what a program reads.
func notesTo(c *cobra.Command, form rows.Format, stdout io.Writer) io.Writer {
	if form.CSV || form.JSON {
		return c.ErrOrStderr()
	}
	return stdout
}

func accessColumns() rows.Columns[access.Row] {
	return rows.Columns[access.Row]{
		Table: []string{"USER", "ACCOUNT", "BACKEND", "TARGET", "ROLE", "STATE", "SINCE", "WHY", "REQUEST", "CONFIRMED"},
		Cells: func(r *access.Row) []string {
			confirmed := rows.Moment(r.Confirmed)
			if r.ConfirmedBy != "" {
				confirmed += " " + r.ConfirmedBy
			}
			return []string{r.User, r.Account, r.Backend, r.Target, r.Role, stateWords(r), rows.Moment(r.Since), why(r.From), cmp.Or(r.Request, r.RequestedBy), confirmed}
		},
		CSV: []string{"user", "identity_provider", "id", "account", "backend", "target", "role", "state", "has", "change", "reason", "hold",
			"since", "why", "request", "requested_by", "confirmed", "confirmed_by"},
		CSVCells: func(r *access.Row) []string {
			return []string{r.User, r.IdP, r.UserID, r.Account, r.Backend, r.Target, r.Role, r.State, r.Has, r.Change, r.Reason, r.Hold,
				rows.Moment(r.Since), why(r.From), r.Request, r.RequestedBy, rows.Moment(r.Confirmed), r.ConfirmedBy}
		},
		None: "no grant matches",
	}
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

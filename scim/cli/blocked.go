package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/cli/rows"
	"github.com/scimbridge/scimbridge/scim/console"
)

func blockedCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "blocked", Short: "Users whose changes cannot be delivered now", Args: noArgs,
		Example: "  scimbridge blocked list\n  scimbridge blocked list --reason no_account --csv > blocked.csv",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	list := listCommand(server, stdout, "/api/blocked", "reason", "only this reason", rows.Columns[access.BlockedRow]{
		Table: []string{"USER", "BACKEND", "TARGET", "REASON", "SINCE", "NEXT TRY", "WHAT TO DO"},
		Cells: func(r *access.BlockedRow) []string {
			return []string{orAll(r.User), r.Backend, r.Target, r.Reason, rows.Moment(r.Since), rows.Moment(r.Next), r.Remedy}
		},
		CSV: []string{"user", "identity_provider", "id", "account", "backend", "target", "reason", "words", "since", "tries", "next_try", "request", "what_to_do"},
		CSVCells: func(r *access.BlockedRow) []string {
			return []string{orAll(r.User), r.IdP, r.UserID, r.Account, r.Backend, r.Target, r.Reason, r.Words, rows.Moment(r.Since), fmt.Sprint(r.Tries), rows.Moment(r.Next), r.Request, r.Remedy}
		},
		None: "nothing is blocked",
	})
	list.Short = "List who is blocked where, why, since when, and what to do"
	list.Long = list.Short + ".\n\nA user has a line for each target. Blocked work is tried again by itself, ever less often;\n`scimbridge retry` tries it at once."
	list.Example = c.Example
	c.AddCommand(list)
	return c
}

// orAll names a user; without one it is all of a target.
func orAll(user string) string {
	if user == "" {
		return "(all of the target)"
	}
	return user
}

// listCommand is the command "list" of a list that the server sends.
func listCommand[T any](server *remote.Server, stdout io.Writer, path, flag, usage string, columns rows.Columns[T]) *cobra.Command {
	var q access.ListQuery
	var form rows.Format
	c := &cobra.Command{Use: "list", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		if err := form.Check(); err != nil {
			return usageError{err}
		}
		for _, name := range []string{"backend", "target", flag} {
			if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
				return usageError{fmt.Errorf("--%s is empty", name)}
			}
		}
		_, err := rows.Read(c.Context(), server, path+"?"+console.ListQuery(q).Encode(), rows.New(form, stdout, columns), notesTo(c, form, stdout))
		return err
	}}
	c.Flags().StringVar(&q.Backend, "backend", "", "at this backend, by its name in the configuration")
	c.Flags().StringVar(&q.Target, "target", "", "on this target: a group at VirusTotal, a role at Risk Cloud")
	c.Flags().StringVar(&q.Reason, flag, "", usage)
	form.Flags(c)
	return c
}

package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/cli/rows"
)

func driftCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "drift", Short: "Differences between the bridge and the vendors", Args: noArgs,
		Example: "  scimbridge resync && scimbridge drift list\n  scimbridge drift list --kind foreign --csv > foreign.csv",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	list := listCommand(server, stdout, "/api/drift", "kind", "foreign: the bridge did not grant it; missing: it did, and the vendor shows it no longer", rows.Columns[access.DriftRow]{
		Table: []string{"KIND", "USER", "ACCOUNT", "BACKEND", "TARGET", "ROLE", "SINCE", "SEEN", "NEXT"},
		Cells: func(r *access.DriftRow) []string {
			return []string{r.Kind, r.User, r.Account, r.Backend, r.Target, r.Role, rows.Moment(r.Since), rows.Moment(r.Seen), r.Next}
		},
		CSV: []string{"kind", "user", "identity_provider", "id", "account", "backend", "target", "role", "since", "seen", "next"},
		CSVCells: func(r *access.DriftRow) []string {
			return []string{r.Kind, r.User, r.IdP, r.UserID, r.Account, r.Backend, r.Target, r.Role, rows.Moment(r.Since), rows.Moment(r.Seen), r.Next}
		},
		None: "no difference is known",
	})
	list.Short = "List foreign and missing grants, as the last comparison with each target saw them"
	list.Long = list.Short + ".\n\nA foreign grant is at the vendor and the bridge did not grant it; it stays, unless a rule is\nauthoritative. A missing one is the bridge's, and the vendor does not show it any more; it is given\nagain once two comparisons have missed it. `scimbridge resync` compares now. What an operator\nrejected is in `scimbridge access --unmanaged`."
	list.Example = c.Example
	c.AddCommand(list)
	return c
}

package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/console"
)

func groupCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "group", Short: "Groups that identity providers pushed", Args: noArgs,
		Example: "  scimbridge group show 'VT Admins'",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	var asJSON bool
	show := &cobra.Command{Use: "show NAME", Short: "Show a group: its members, those that are no users, and what rules give for it",
		Example: "  scimbridge group show 'VT Admins'", Args: oneArg("the displayName or the id of a group"),
		RunE: ask(server, stdout, http.MethodGet, func(args []string) string { return "/api/group?name=" + url.QueryEscape(args[0]) }, &asJSON, showGroups)}
	show.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(show)
	return c
}

func showGroups(w io.Writer, groups []console.GroupStatus) error {
	for i, g := range groups {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%q of %s: id %s\n", g.Name, g.IdP, g.ID)
		fmt.Fprintf(w, "  %d member(s): %d user(s), %d group(s), %d neither\n", g.Members, g.Users, g.Groups, g.Unknown)
		showUnknown(w, g)
		if len(g.Grants) == 0 {
			fmt.Fprintln(w, "  no rule is about this group")
		}
		for _, grant := range g.Grants {
			fmt.Fprintf(w, "  gives %s\n", grant.Words())
		}
	}
	return nil
}

// showUnknown lists members that are no users: ids that a client made up, or of users it did not
// push.
func showUnknown(w io.Writer, g console.GroupStatus) {
	if g.Unknown == 0 {
		return
	}
	fmt.Fprintln(w, "  members that are no users get nothing until a user has exactly that id:")
	for _, value := range g.Examples {
		fmt.Fprintf(w, "    %q\n", value)
	}
	if more := g.Unknown - len(g.Examples); more > 0 {
		fmt.Fprintf(w, "    … and %d more\n", more)
	}
}

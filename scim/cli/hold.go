package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func holdCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "hold", Short: "Removals, and groups that took a bound name, that wait for a decision", Args: noArgs,
		Example: "  scimbridge hold list\n  scimbridge hold approve vt-6.9b1f0c5e7a2d4436",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	var asJSON bool
	list := &cobra.Command{Use: "list", Example: "  scimbridge hold list --json", Short: "Show what is held and why", Args: noArgs,
		RunE: ask(server, stdout, http.MethodGet, func([]string) string { return "/api/holds" }, &asJSON, showHolds)}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(list)
	for word, what := range map[string]string{
		"approve": "Approve a hold: revoke the listed grants that are still unwanted; bind the name to a group that took it",
		"reject":  "Leave the grants where they are; the bridge gives up owning them. A group that took a name gives nothing",
	} {
		d := &decision{server: server, stdout: stdout, word: word}
		decide := &cobra.Command{Use: word + " ID", Short: what, Example: "  scimbridge hold " + word + " vt-6.9b1f0c5e7a2d4436",
			Long: what + ".\n\nThe id that `scimbridge hold list` prints stands for what was listed: a hold that has changed since is refused with\n" +
				"the list as it is now. An id without the part after the dot means the hold as it is: the command shows it and decides\n" +
				"about exactly that.",
			Args: oneArg("the id of a hold; `scimbridge hold list` shows them"),
			RunE: func(c *cobra.Command, args []string) error { return d.run(c.Context(), args[0]) }}
		decide.ValidArgsFunction = completeHolds(server)
		d.why = reasonFor(decide)
		decide.Flags().BoolVar(&d.asJSON, "json", false, "print JSON")
		c.AddCommand(decide)
	}
	return c
}

// decision is one run of `hold approve` or `hold reject`.
type decision struct {
	server *remote.Server
	stdout io.Writer
	word   string
	why    func(path string) string // adds the reason
	asJSON bool
}

// run decides about a hold as listed. If the id says nothing about the content, run shows the hold
// first and decides about that.
func (d *decision) run(ctx context.Context, id string) error {
	o, err := remote.New(d.server)
	if err != nil {
		return err
	}
	var holds []desk.Hold
	if err := o.Call(ctx, http.MethodGet, "/api/holds", &holds); err != nil {
		return err
	}
	shown := slices.IndexFunc(holds, func(h desk.Hold) bool { return h.Is(id) && h.ID != id })
	if shown >= 0 {
		id = holds[shown].ID
		if !d.asJSON {
			if err := showHolds(d.stdout, holds[shown:shown+1]); err != nil {
				return err
			}
			fmt.Fprintln(d.stdout)
		}
	}
	var answer struct {
		ID       string     `json:"id"`
		Decision string     `json:"decision"`
		Why      string     `json:"why"`
		More     string     `json:"more,omitempty"` // "approval": another operator must approve, too
		Hold     *desk.Hold `json:"hold,omitempty"` // if the id did not say
	}
	if err := o.Call(ctx, http.MethodPost, d.why("/api/holds/"+url.PathEscape(id)+"/"+d.word), &answer); err != nil {
		return d.refused(err)
	}
	if d.asJSON {
		if shown >= 0 {
			answer.Hold = &holds[shown]
		}
		return printJSON(d.stdout, answer)
	}
	if answer.More != "" {
		_, err = fmt.Fprintf(d.stdout, "hold %s: approved by you; it is delivered once another operator approves it, too\n", id)
		return err
	}
	_, err = fmt.Fprintf(d.stdout, "hold %s: %s\n", id, cmp.Or(decisionWords[d.word+" "+answer.Why], decisionWords[d.word]))
	return err
}

// refused shows the holds as they are now if that is why a decision was refused.
func (d *decision) refused(err error) error {
	var changed *remote.ChangedError
	if !errors.As(err, &changed) {
		return err
	}
	show := func() error { return showHolds(d.stdout, changed.Holds) }
	if d.asJSON {
		show = func() error { return printJSON(d.stdout, changed.HoldChanged) }
	}
	return errors.Join(show(), err)
}

var decisionWords = map[string]string{
	"approve": "approved; it is delivered now", "reject": "rejected; the grants stay and the bridge owns them no longer",
	"approve pin": "approved; the name is bound to this group, and its members get what the rules give", "reject pin": "rejected; the group gives nothing until it takes the name again",
	"approve no_target": "approved; its grants count as gone with the target", "reject no_target": "rejected; the bridge owns the grants no longer",
}

// completeHolds completes the ids of holds, without the part that pins their content: the command
// then shows it.
func completeHolds(server *remote.Server) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var ids []cobra.Completion
		var holds []desk.Hold
		if o, err := remote.New(server); len(args) == 0 && err == nil && o.Call(c.Context(), http.MethodGet, "/api/holds", &holds) == nil {
			for _, h := range holds {
				ids = append(ids, cobra.CompletionWithDesc(strings.TrimSuffix(h.ID, "."+h.Digest), h.Target+": "+reason.Hold(h.Why)))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

func showHolds(w io.Writer, holds []desk.Hold) error {
	if len(holds) == 0 {
		_, err := fmt.Fprintln(w, "nothing is held")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tBACKEND\tTARGET\tPEOPLE\tSINCE\tWHY")
	for _, h := range holds {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", h.ID, h.Backend, h.Target, concerned(h), legible.Moment(h.Since), reason.Hold(h.Why))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	footer := map[bool]string{}
	for _, h := range holds {
		if a := h.Approved; a != nil {
			fmt.Fprintf(w, "\n%s: %s approved it at %s; another operator must approve it, too.\n", h.ID, a.Operator, legible.Moment(a.At))
		}
		if h.Group != nil {
			showHeldGroup(w, h)
			footer[true] = "\nscimbridge hold approve ID binds the name to the group that has it now; scimbridge hold reject ID keeps the group out until it takes the name again."
			continue
		}
		footer[false] = "\nscimbridge hold approve ID revokes them; scimbridge hold reject ID leaves them in place."
		fmt.Fprintf(w, "\n%s would revoke:\n", h.ID)
		for i, g := range h.Grants {
			if i == 10 {
				fmt.Fprintf(w, "  … and %d more; --json shows all\n", len(h.Grants)-i)
				break
			}
			if g.PermissionSet {
				fmt.Fprintf(w, "  permission set %s from the role, and so from the %d user(s) who have it through the bridge\n", g.Role, g.Users)
				continue
			}
			fmt.Fprintf(w, "  %s from %s\n", g.Role, g.Person)
		}
	}
	for _, group := range []bool{false, true} {
		if footer[group] != "" {
			fmt.Fprintln(w, footer[group])
		}
	}
	return nil
}

// concerned counts the users that a hold is about.
func concerned(h desk.Hold) int {
	accounts, users := map[string]bool{}, 0
	for _, g := range h.Grants {
		if g.PermissionSet {
			users = g.Users
		} else {
			accounts[g.Account] = true
		}
	}
	if h.Group != nil {
		users = h.Group.Members
	}
	return max(users, len(accounts))
}

// showHeldGroup says which group took whose name, and what approving it would grant.
func showHeldGroup(w io.Writer, h desk.Hold) {
	g := h.Group
	bound := fmt.Sprintf("the group %s, which is deleted", g.Bound)
	switch {
	case g.Bound == "":
		bound = "a group of another identity provider"
	case g.Became != "":
		bound = fmt.Sprintf("the group %s, which is called %q now", g.Bound, g.Became)
	}
	fmt.Fprintf(w, "\n%s: the group %q (%s) of %s has a name that is bound to %s.\n", h.ID, g.Name, g.ID, g.IdP, bound)
	for _, target := range slices.Sorted(maps.Keys(g.Gives)) {
		fmt.Fprintf(w, "  its %d member(s) would get %s on %s\n", g.Members, strings.Join(g.Gives[target], ", "), target)
	}
}

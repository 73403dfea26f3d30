package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func explainCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var asked string
	c := &cobra.Command{Use: "explain USER [ROLE]", Short: "Explain why a user has a role, or does not", Example: "  scimbridge explain ada@example.com USER_ROLE_GROUP_ADMIN",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{errors.New("needs a user, and at most one role or target")}
			}
			return nil
		},
		RunE: ask(server, stdout, http.MethodGet, func(args []string) string {
			q := url.Values{"user": {args[0]}}
			if len(args) == 2 {
				q.Set("role", args[1])
			}
			asked = strings.Join(args[1:], "")
			return "/api/explain?" + q.Encode()
		}, &asJSON, func(w io.Writer, whys []desk.Why) error { return showWhy(w, whys, asked) })}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showWhy(w io.Writer, whys []desk.Why, asked string) error {
	last, found := "", asked == ""
	for _, y := range whys {
		if len(y.Grants) == 0 && slices.ContainsFunc(whys, func(o desk.Why) bool { return o.IdP == y.IdP && o.UserID == y.UserID && len(o.Grants) > 0 }) {
			continue // no rule of the backend concerns the user
		}
		if id := y.IdP + y.UserID; id != last {
			last = id
			groups := "in no group"
			if len(y.Groups) > 0 {
				groups = "in " + strings.Join(y.Groups, ", ")
			}
			fmt.Fprintf(w, "%s of %s: %s, %s\n", y.User, y.IdP, map[bool]string{true: "active", false: "not active: has nothing until that changes"}[y.Active], groups)
		}
		account := "no account looked up yet"
		if y.Account != "" {
			account = "is " + y.Account + ", looked up " + legible.Moment(y.LookedUp)
		}
		fmt.Fprintf(w, "\n  %s: %s\n", y.Backend, account)
		if is := y.Condition; is.State != "" {
			words := "the state of the backend is " + strings.TrimSuffix(is.State+": "+is.Reason, ": ")
			if is.State == delivery.Following { // the state is not known yet
				words = is.Reason
			}
			fmt.Fprintf(w, "    %s\n", words)
			if !is.Until.IsZero() {
				fmt.Fprintf(w, "    it is not called before %s\n", legible.Moment(is.Until))
			}
		}
		found = found || len(y.Grants) > 0
		if len(y.Grants) == 0 {
			fmt.Fprintln(w, "    no rule gives "+cmp.Or(legible.Clip(asked), "anything")+" here")
		}
		for _, g := range y.Grants {
			fmt.Fprintf(w, "    %s: %s on %s: %s\n", cmp.Or(g.Has, access.Dark), g.Role, g.Target, g.State)
			showPast(w, g.Past)
			if g.Answer != "" {
				fmt.Fprintf(w, "      last answer: %s\n", g.Answer)
			}
			for _, f := range g.From {
				fmt.Fprintf(w, "      given by %s\n", f)
			}
			for _, f := range g.Not {
				fmt.Fprintf(w, "      not given by %s\n", f)
			}
			for _, f := range g.Could {
				fmt.Fprintf(w, "      would be given by %s\n", f)
			}
		}
	}
	if !found {
		fmt.Fprintln(w, "\nNo group that was pushed, and no role that the bridge gave, is about that: check the spelling of the role or target; without one, everything is shown.")
	}
	return nil
}

// showPast prints which request a grant comes from, and when the vendor confirmed it.
func showPast(w io.Writer, p desk.Past) {
	if p.Request != "" {
		since := ""
		if !p.Since.IsZero() {
			since = ", granted " + legible.Moment(p.Since)
		}
		fmt.Fprintf(w, "      requested by %s, request %s%s\n", cmp.Or(p.RequestedBy, "the bridge"), p.Request, since)
	}
	if !p.Confirmed.IsZero() {
		fmt.Fprintf(w, "      confirmed by the vendor %s\n", legible.Moment(p.Confirmed))
	}
}

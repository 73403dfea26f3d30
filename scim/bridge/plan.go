package bridge

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

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func planCommand(config *string, stdout io.Writer) *cobra.Command {
	var asJSON, exitCode bool
	var proposed string
	c := &cobra.Command{Use: "plan", Short: "Show the exact calls that would be made now, or under other mappings", Args: noArgs,
		Example: "  scimbridge plan\n  scimbridge plan --proposed new.yaml --exit-code"}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var body []byte
		if c.Flags().Changed("proposed") { // also if it is empty: a pipeline must not pass for want of a name
			var err error
			if body, err = readAtMost(proposed, maxConfig); err != nil {
				return fmt.Errorf("reading the proposed mappings: %w", err)
			}
		}
		o, err := newOperatorClient(*config)
		if err != nil {
			return err
		}
		var plan []delivery.Preview
		if err := o.plan(c.Context(), proposed, body, &plan); err != nil {
			return err
		}
		if err := printPlan(stdout, plan, asJSON, "Nothing was called. "+uncertain); err != nil {
			return err
		}
		for _, p := range plan {
			if exitCode && p.Something() {
				return codeError{exitNeeded, errors.New("there is something to do")}
			}
		}
		return nil
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when there is something to do")
	c.Flags().StringVar(&proposed, "proposed", "", "a configuration file, or one with mappings alone, to plan for")
	return c
}

// plan asks for what would be done under the mappings of a file, or, without one, under those in force.
func (o *operatorClient) plan(ctx context.Context, file string, proposed []byte, into *[]delivery.Preview) error {
	o.client.Timeout = 0 // a large directory takes a while
	return o.send(ctx, http.MethodPost, "/api/plan?"+url.Values{"file": {file}}.Encode(), proposed, into)
}

func reloadCommand(config *string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "reload", Example: "  scimbridge plan --proposed config.yaml && scimbridge reload", Short: "Take the mappings of the configuration file into force", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := newOperatorClient(*config)
			if err != nil {
				return fmt.Errorf("the rules in force stay: %w", err)
			}
			o.client.Timeout = 0 // as for a plan
			var plan []delivery.Preview
			if err := o.send(c.Context(), http.MethodPost, "/api/reload", nil, &plan); err != nil {
				return err // the server says whether the rules in force stay
			}
			if !asJSON {
				fmt.Fprint(stdout, "The rules of the file are in force.\n\n")
			}
			return printPlan(stdout, plan, asJSON, held(plan)+uncertain)
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// held says what becomes of what a plan holds, once it is in force.
func held(plan []delivery.Preview) string {
	for _, p := range plan {
		if len(p.Held) > 0 {
			return "What is held waits for a decision: scimbridge hold list. The rest is being delivered. "
		}
	}
	return "This is being delivered. "
}

func printPlan(w io.Writer, plan []delivery.Preview, asJSON bool, footer string) error {
	if asJSON {
		return printJSON(w, plan)
	}
	plan, err := legible.Value(plan)
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	for _, p := range plan {
		showPreview(w, p)
	}
	_, err = fmt.Fprintln(w, footer)
	return err
}

const uncertain = "Whether somebody is the last admin, or has a role already, only the vendor can tell."

// targetCounts is what a plan has for one target.
type targetCounts struct {
	calls, held, unknown int
	ops                  map[string]int
}

func showPreview(w io.Writer, p delivery.Preview) {
	targets := map[string]*targetCounts{}
	at := func(target string) *targetCounts {
		if targets[target] == nil {
			targets[target] = &targetCounts{ops: map[string]int{}}
		}
		return targets[target]
	}
	for _, c := range p.Calls {
		at(c.Target).calls++
		for _, ch := range c.Changes {
			at(c.Target).ops[ch.Op]++
		}
	}
	for _, h := range p.Held {
		at(h.Target).held++
	}
	for _, l := range p.LookUps {
		at(l.Target).unknown++
	}
	fmt.Fprintf(w, "%s: %s\n", p.Backend, p.Summary())
	if len(targets) > 1 { // of one, the line above has said it
		for _, t := range slices.Sorted(maps.Keys(targets)) {
			c := targets[t]
			fmt.Fprintf(w, "  on %s: %d call(s): %d removed, %d added, %d replaced, %d held, %d to be looked up\n", t, c.calls, c.ops["remove"], c.ops["add"], c.ops["replace"], c.held, c.unknown)
		}
	}
	for i, c := range p.Calls {
		fmt.Fprintf(w, "  %d. %s\n", i+1, c.Target)
		for _, ch := range c.Changes {
			fmt.Fprintf(w, "     %-8s%s: %s\n", ch.Op, ch.Person, strings.Join(ch.Roles, ", "))
		}
		if c.Offboard != nil {
			fmt.Fprintf(w, "     end the membership or account of %s\n", c.Offboard.Person)
		}
		if c.Invite != "" {
			fmt.Fprintf(w, "     request an account for %s\n", c.Invite)
		}
		for _, s := range c.PermissionSetsToAdd {
			fmt.Fprintf(w, "     add     permission set %s\n", s)
		}
		for _, s := range c.PermissionSetsToRemove {
			fmt.Fprintf(w, "     remove  permission set %s\n", s)
		}
	}
	for _, h := range p.Held {
		if h.Group != "" {
			fmt.Fprintf(w, "  held on %s: %s for the %d member(s) of %s: %s\n", h.Target, h.Role, h.Members, h.Group, delivery.WhyHeld(h.Why))
			continue
		}
		if h.PermissionSet {
			fmt.Fprintf(w, "  held on %s: permission set %s from every user of it: %s\n", h.Target, h.Role, delivery.WhyHeld(h.Why))
			continue
		}
		fmt.Fprintf(w, "  held on %s: %s from %s: %s\n", h.Target, h.Role, h.Person, delivery.WhyHeld(h.Why))
	}
	for _, n := range slices.Concat(p.Rules, p.Notes) {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	for _, l := range p.LookUps {
		how := "to be looked up first, then on"
		if l.Waits {
			how = "has no account yet, and waits for one, on"
		}
		fmt.Fprintf(w, "  %s: %s %s: add %s\n", l.Person, how, l.Target, strings.Join(l.Roles, ", "))
	}
	if !p.Oldest.IsZero() {
		fmt.Fprintf(w, "  who is who rests on look-ups since %s\n", moment(p.Oldest))
	}
	fmt.Fprintln(w)
}

func explainCommand(config *string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var asked string
	c := &cobra.Command{Use: "explain USER [ROLE]", Short: "Say why somebody has a role, or has not", Example: "  scimbridge explain ada@example.com USER_ROLE_GROUP_ADMIN",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{errors.New("needs a user, and at most one role or target")}
			}
			return nil
		},
		RunE: ask(config, stdout, http.MethodGet, func(args []string) string {
			q := url.Values{"user": {args[0]}}
			if len(args) == 2 {
				q.Set("role", args[1])
			}
			asked = strings.Join(args[1:], "")
			return "/api/explain?" + q.Encode()
		}, &asJSON, func(w io.Writer, whys []delivery.Why) error { return showWhy(w, whys, asked) })}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showWhy(w io.Writer, whys []delivery.Why, asked string) error {
	last, found := "", asked == ""
	for _, y := range whys {
		if id := y.IdP + y.UserID; id != last {
			last = id
			groups := "in no group"
			if len(y.Groups) > 0 {
				groups = "in " + strings.Join(y.Groups, ", ")
			}
			fmt.Fprintf(w, "%s of %s: %s, %s\n", y.User, y.IdP, map[bool]string{true: "active", false: "not active: has nothing until that changes"}[y.Active], groups)
		}
		account := "nobody knows who this is there yet"
		if y.Account != "" {
			account = "is " + y.Account + ", looked up " + moment(y.LookedUp)
		}
		fmt.Fprintf(w, "\n  %s: %s\n", y.Backend, account)
		if is := y.Condition; is.State != "" {
			words := "the state of the backend is " + strings.TrimSuffix(is.State+": "+is.Reason, ": ")
			if is.State == delivery.Following { // nobody has told the state yet
				words = is.Reason
			}
			fmt.Fprintf(w, "    %s\n", words)
			if !is.Until.IsZero() {
				fmt.Fprintf(w, "    it is not called before %s\n", moment(is.Until))
			}
		}
		found = found || len(y.Grants) > 0
		if len(y.Grants) == 0 {
			fmt.Fprintln(w, "    no rule gives "+cmp.Or(clip(asked), "anything")+" here")
		}
		for _, g := range y.Grants {
			fmt.Fprintf(w, "    %s on %s: %s\n", g.Role, g.Target, g.State)
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
		fmt.Fprintln(w, "\nNo group that was pushed, and no role that the bridge gave, is about that: mind the spelling of the role or target; without one, everything is shown.")
	}
	return nil
}

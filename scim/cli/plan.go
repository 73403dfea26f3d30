package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func planCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var asJSON, exitCode bool
	var proposed string
	c := &cobra.Command{Use: "plan", Short: "Show the exact calls that would be made now, or under other mappings", Args: noArgs,
		Example: "  scimbridge plan\n  scimbridge plan --proposed new.yaml --exit-code"}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var body []byte
		if c.Flags().Changed("proposed") { // even if empty: a pipeline must not pass because a name is missing
			var err error
			if body, err = config.ReadAtMost(proposed, config.MaxSize); err != nil {
				return fmt.Errorf("reading the proposed mappings: %w", err)
			}
		}
		o, err := newOperatorClient(*configFile)
		if err != nil {
			return err
		}
		plan, err := o.Plan(c.Context(), proposed, body)
		if err != nil {
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

const uncertain = "Only the vendor knows whether a user is the last admin or already has a role."

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
	if len(targets) > 1 { // the line above covers a single target
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

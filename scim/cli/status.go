package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// watchEvery is how often `status --watch` refreshes.
const watchEvery = 2 * time.Second

func statusCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var asJSON, exitCode, watch bool
	c := &cobra.Command{Use: "status", Short: "Show identity providers, backends and pending work", Args: noArgs,
		Example: "  scimbridge status --watch\n  scimbridge status --exit-code || echo 'action needed'"}
	once := func(c *cobra.Command) (needed bool, err error) {
		o, err := remote.New(server)
		if err != nil {
			return false, err
		}
		s, err := o.Status(c.Context())
		if err != nil {
			return false, err
		}
		for _, b := range s.Backends {
			needed = needed || b.NeedsOperator()
		}
		if asJSON {
			return needed, printJSON(stdout, s)
		}
		if s, err = legible.Value(s); err != nil {
			return needed, fmt.Errorf("reading the server's answer: %w", err)
		}
		if watch {
			fmt.Fprint(legible.Raw(stdout), "\x1b[H\x1b[2J", legible.Moment(time.Now()), "\n\n") // clears the screen
		}
		return needed, showStatus(stdout, s, time.Now())
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		needed, err := once(c)
		for watch && err == nil {
			select {
			case <-c.Context().Done():
				return nil
			case <-time.After(watchEvery):
				needed, err = once(c)
			}
		}
		if err == nil && exitCode && needed {
			err = codeError{exitNeeded, errors.New("action needed: see `scimbridge status`")}
		}
		return err
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when an operator must act")
	c.Flags().BoolVar(&watch, "watch", false, "refresh every two seconds until interrupted")
	return c
}

func showStatus(w io.Writer, s console.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "version\t%s\nstore\t%s\n\nIDENTITY PROVIDER\tUSERS\tGROUPS\tLAST REQUEST\tFAILED IN THE LAST HOUR\tTOKENS\n", s.Version, s.Store)
	for _, p := range s.IdentityProviders {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%d of %d\t%s\n", p.Name, p.Users, p.Groups, legible.Moment(p.LastRequest), p.Failed, p.Requests, tokens(p.Tokens, now))
	}
	fmt.Fprint(t, "\nBACKEND\tSTATE\tPENDING\tBLOCKED\tHELD\tOLDEST PENDING\tOLDEST REMOVAL\tPAUSED UNTIL\n")
	for _, b := range s.Backends {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", b.Name, b.State, b.Pending, b.BlockedUsers, b.Held, legible.Moment(b.OldestPending), legible.Moment(b.OldestRemoval), legible.Moment(b.PausedUntil))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := showReplicas(w, s); err != nil {
		return err
	}
	if s.Refused > 0 {
		fmt.Fprintf(w, "\n%d request(s) without a valid credential in the last hour\n", s.Refused)
	}
	soon(w, s, now)
	if f := s.Configuration; f != nil {
		fmt.Fprintf(w, "\nwarning: configuration: %s\n", f.Words)
	}
	for _, warning := range s.Exposed {
		fmt.Fprintf(w, "\nwarning: %s\n", warning)
	}
	for _, p := range s.IdentityProviders {
		showProvider(w, p)
	}
	for _, b := range s.Backends {
		showNeeds(w, b)
	}
	return nil
}

// showProvider prints which requests of an identity provider may have meant something else.
func showProvider(w io.Writer, p console.ProviderStatus) {
	if o := p.Omitted; o != nil {
		fmt.Fprintf(w, "\n%s: %s\n", p.Name, omissionWords(*o))
	}
	if u := p.UnknownMembers; u.Members > 0 {
		fmt.Fprintf(w, "\n%s: %d member(s) of %d group(s) are no users, the most of %q: scimbridge group show NAME\n", p.Name, u.Members, u.Groups, u.Largest[0].Name)
	}
}

// omissionWords says which key decides what a PUT without members means.
func omissionWords(o console.OmissionStatus) string {
	return fmt.Sprintf("%d PUT(s) left out the members of a group that has some, from %s to %s: they stay. If the client means an empty group, set %s: clear",
		o.Count, legible.Moment(o.First), legible.Moment(o.Last), o.Key)
}

// showNeeds prints what there is to say about a backend besides numbers.
func showNeeds(w io.Writer, b console.BackendStatus) {
	var lines []string
	note := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if b.Reason != "" {
		note("%s", b.Reason)
	}
	switch b.Mode {
	case "observe":
		note("the mode is observe: nothing is changed there; `scimbridge plan` says what would be")
	case "add_only":
		note("the mode is add_only: nothing is taken away there; `scimbridge plan` says what would be")
	}
	for _, code := range slices.Sorted(maps.Keys(b.Blocked)) {
		note("%d blocked: %s: %s", b.Blocked[code], code, reason.Block(code).Words)
	}
	for _, limit := range slices.Sorted(maps.Keys(b.OverLimit)) {
		note("over the limit: %s on %s: what exceeds it is held", limit, strings.Join(b.OverLimit[limit], ", "))
	}
	if b.Holds > 0 {
		note("%d hold(s) wait for a decision: scimbridge hold list", b.Holds)
	}
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", b.Name, line)
	}
}

// soon prints the tokens that expire soon.
func soon(w io.Writer, s console.Status, now time.Time) {
	for _, p := range s.IdentityProviders {
		for _, t := range p.Tokens {
			if words := config.ExpiryNotice(t.Expires, now); words != "" {
				fmt.Fprintf(w, "\n%s: %s %s\n", p.Name, t.Token, words)
			}
		}
	}
}

// tokens prints the age and the last use of each token: "1a2b3c4d for 12 day(s), ends in 18, used
// 2026-11-25T19:00:14Z".
func tokens(all []console.TokenStatus, now time.Time) string {
	days := func(d time.Duration) int { return int(d / (24 * time.Hour)) }
	out := ""
	for i, t := range all {
		if i > 0 {
			out += "; "
		}
		out += t.Token
		if !t.Since.IsZero() {
			out += fmt.Sprintf(" for %d day(s)", days(now.Sub(t.Since)))
		}
		switch left := t.Expires.Sub(now); {
		case t.Expires.IsZero():
		case left < 0:
			out += ", ended"
		default:
			out += fmt.Sprintf(", ends in %d", days(left))
		}
		if t.LastUse.IsZero() {
			out += ", never used"
		} else {
			out += ", used " + legible.Moment(t.LastUse)
		}
	}
	if out == "" {
		return "-"
	}
	return out
}

// showReplicas prints the replicas of the store and which of them delivers.
func showReplicas(w io.Writer, s console.Status) error {
	if len(s.Replicas) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nREPLICA\tVERSION\tSINCE\tLAST SEEN\tDELIVERS TO\n")
	for _, r := range s.Replicas {
		name, to := r.Address, []string{}
		if r.This {
			name += " (this one)"
		}
		if !r.Alive {
			name += " (silent)"
		}
		for _, b := range s.Backends {
			if b.Leader != nil && b.Leader.Replica == r.ID {
				to = append(to, fmt.Sprintf("%s (term %d)", b.Name, b.Leader.Term))
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", name, r.Version, legible.Moment(r.Since), legible.Moment(r.Seen), cmp.Or(strings.Join(to, ", "), "-"))
	}
	return t.Flush()
}

package planned

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// Text prints plans for people: the calls of each, what is held and what is blocked.
func Text(w io.Writer, plan []desk.Preview, footer string) error {
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

// Uncertain is what no plan knows.
const Uncertain = "Only the vendor knows whether a user is the last admin or already has a role."

// targetCounts is what a plan has for one target.
type targetCounts struct {
	calls, held, unknown int
	ops                  map[string]int
}

// showTargets prints a line for each target, if there are several.
func showTargets(w io.Writer, p desk.Preview) {
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
	if len(targets) > 1 { // the line above covers a single target
		for _, t := range slices.Sorted(maps.Keys(targets)) {
			c := targets[t]
			fmt.Fprintf(w, "  on %s: %d call(s): %d removed, %d added, %d replaced, %d held, %d to be looked up\n", t, c.calls, c.ops["remove"], c.ops["add"], c.ops["replace"], c.held, c.unknown)
		}
	}
}

func showPreview(w io.Writer, p desk.Preview) {
	all := grantsOf(p)
	fmt.Fprintf(w, "%s: %s\n", p.Backend, p.Summary())
	showTargets(w, p)
	showTotals(w, p)
	showCalls(w, p.Calls, all, "")
	showHeld(w, p.Held, "held")
	for _, n := range slices.Concat(p.Rules, p.Notes) {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	if s := p.InSync; s != nil && len(s.Calls)+len(s.Held) > 0 {
		fmt.Fprintf(w, "  in the mode sync there would be these calls; the mode %s sends none of those marked \"not sent\":\n", p.Mode)
		showCalls(w, s.Calls, all, fmt.Sprintf("  [not sent in %s]", p.Mode))
		showHeld(w, s.Held, "would be held")
	}
	showBlocked(w, p)
	if !p.Oldest.IsZero() {
		fmt.Fprintf(w, "  who is who rests on look-ups since %s\n", legible.Moment(p.Oldest))
	}
	fmt.Fprintln(w)
}

// showTotals prints what becomes of how many users.
func showTotals(w io.Writer, p desk.Preview) {
	words := map[desk.PlannedState]string{desk.Now: "now", desk.IsHeld: "held", desk.IsBlocked: "blocked",
		desk.LookUpFirst: "after a look-up", desk.NotInMode: "not sent in " + string(p.Mode)}
	var all []string
	for _, t := range p.Totals {
		all = append(all, fmt.Sprintf("%s %d for %d user(s), %s", strings.ReplaceAll(string(t.Action), "_", "-"), t.Grants, t.Users, words[t.State]))
	}
	if len(all) > 0 {
		fmt.Fprintf(w, "  in total: %s\n", strings.Join(all, "; "))
	}
}

// grants are what a plan says of each account on each target; of its permission sets under "", of the
// request for an account under the value that finds it.
type grants map[[2]string][]desk.PlannedGrant

func grantsOf(p desk.Preview) grants {
	out := grants{}
	for _, g := range p.Users {
		key := [2]string{g.Target, g.Account}
		if g.Action == desk.Invite {
			key[1] = g.Person
		}
		out[key] = append(out[key], g)
	}
	return out
}

// of returns what a call does for an account, and whether the mode sends any of it.
func (all grants) of(target, account string, is func(desk.PlannedGrant) bool) (found []desk.PlannedGrant, sent bool) {
	for _, g := range all[[2]string{target, account}] {
		if is(g) {
			found = append(found, g)
			sent = sent || g.State != desk.NotInMode
		}
	}
	return found, sent
}

// ofChange is of for a change of roles.
func (all grants) ofChange(target string, ch desk.PreviewChange) (found []desk.PlannedGrant, sent bool) {
	return all.of(target, ch.Account, func(g desk.PlannedGrant) bool {
		switch g.Action {
		case desk.Grant:
			return ch.Op != "remove" && slices.Contains(ch.Roles, g.Role)
		case desk.Revoke:
			return ch.Op == "replace" || ch.Op == "remove" && slices.Contains(ch.Roles, g.Role)
		}
		return false
	})
}

// showCalls prints calls in their order, each change with its reason. unsent follows a change that the
// mode leaves out.
func showCalls(w io.Writer, calls []desk.PreviewCall, all grants, unsent string) {
	for i, c := range calls {
		show := func(found []desk.PlannedGrant, sent bool, format string, args ...any) {
			mark := unsent
			if sent {
				mark = ""
			}
			fmt.Fprintf(w, "     "+format+"%s\n", append(args, mark)...)
			for _, line := range reasons(found) {
				fmt.Fprintf(w, "               %s\n", line)
			}
		}
		ofSet := func(op, set string) {
			found, sent := all.of(c.Target, "", func(g desk.PlannedGrant) bool { return g.Role == set && g.PermissionSet })
			show(found, sent, "%-8spermission set %s", op, set)
		}
		fmt.Fprintf(w, "  %d. %s\n", i+1, c.Target)
		for _, ch := range c.Changes {
			found, sent := all.ofChange(c.Target, ch)
			show(found, sent, "%-8s%s: %s", ch.Op, ch.Person, strings.Join(ch.Roles, ", "))
		}
		if c.Offboard != nil {
			found, sent := all.of(c.Target, c.Offboard.Account, func(g desk.PlannedGrant) bool { return g.Action == desk.OffBoard })
			show(found, sent, "end the membership or account of %s", c.Offboard.Person)
		}
		if c.Invite != "" {
			found, sent := all.of(c.Target, c.Invite, func(g desk.PlannedGrant) bool { return g.Action == desk.Invite })
			show(found, sent, "request an account for %s", c.Invite)
		}
		for _, set := range c.PermissionSetsToAdd {
			ofSet("add", set)
		}
		for _, set := range c.PermissionSetsToRemove {
			ofSet("remove", set)
		}
	}
}

// reasons returns a line for each reason; if there are several, each with its roles.
func reasons(of []desk.PlannedGrant) (lines []string) {
	roles := map[string][]string{}
	for _, g := range of {
		if why := strings.Join(g.Why, "; "); why != "" {
			roles[why] = append(roles[why], g.Role)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(roles)) {
		line := why
		if len(roles) > 1 {
			line = strings.Join(roles[why], ", ") + ": " + why
		}
		lines = append(lines, line)
	}
	return lines
}

func showHeld(w io.Writer, held []desk.PreviewHold, word string) {
	for _, h := range held {
		switch {
		case h.Group != "":
			fmt.Fprintf(w, "  %s on %s: %s for the %d member(s) of %s: %s\n", word, h.Target, h.Role, h.Members, h.Group, reason.Hold(h.Why))
		case h.PermissionSet:
			fmt.Fprintf(w, "  %s on %s: permission set %s from every user of it: %s\n", word, h.Target, h.Role, reason.Hold(h.Why))
		default:
			fmt.Fprintf(w, "  %s on %s: %s from %s: %s\n", word, h.Target, h.Role, h.Person, reason.Hold(h.Why))
		}
	}
}

// showBlocked prints what is blocked, until when and why, and which users must be looked up first.
func showBlocked(w io.Writer, p desk.Preview) {
	for _, g := range p.Users {
		if g.State != desk.IsBlocked || g.Account == "" && !g.PermissionSet {
			continue
		}
		word := map[desk.PlannedAction]string{desk.Grant: "add ", desk.Revoke: "remove "}[g.Action]
		who := g.Person
		if g.PermissionSet {
			who = "permission set"
		}
		fmt.Fprintf(w, "  blocked on %s: %s: %s%s: %s; tried again at %s\n", g.Target, who, word, g.Role, blockReason(g.Reason), legible.Moment(g.Until))
	}
	for _, l := range p.LookUps {
		roles := strings.Join(l.Roles, ", ")
		switch {
		case !l.Waits:
			fmt.Fprintf(w, "  %s: to be looked up first, then on %s: add %s\n", l.Person, l.Target, roles)
		case l.Reason == reason.NoAccount:
			fmt.Fprintf(w, "  %s: has no account yet, and waits for one, on %s: add %s; looked up again at %s\n", l.Person, l.Target, roles, legible.Moment(l.Until))
		default:
			fmt.Fprintf(w, "  blocked on %s: %s: add %s: %s; tried again at %s\n", l.Target, l.Person, roles, blockReason(l.Reason), legible.Moment(l.Until))
		}
	}
}

// blockReason returns the reason of a block in words, with its code.
func blockReason(code string) string {
	if words := reason.Block(code).Words; words != "" {
		return words + " (" + code + ")"
	}
	return code
}

package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/called"
)

// Why says of one user of one identity provider what they have at a backend, and why.
type Why struct {
	Backend  string     `json:"backend"`
	IdP      string     `json:"identity_provider"`
	User     string     `json:"user"`
	UserID   string     `json:"id"`
	Active   bool       `json:"active"`
	Groups   []string   `json:"groups"`
	Account  string     `json:"account,omitempty"` // at the backend; "" if unknown
	LookedUp time.Time  `json:"looked_up,omitzero"`
	Grants   []WhyGrant `json:"grants"`
	// Condition is how the backend is, unless that is ok: the caller fills it in.
	Condition memory.Condition `json:"condition,omitzero"`
}

// WhyGrant is one role on one target: what gives it, and how it stands.
type WhyGrant struct {
	Target string   `json:"target"`
	Role   string   `json:"role"`
	Wanted bool     `json:"wanted"`
	From   []string `json:"from"`             // "group VT Admins, by the rule on line 12"
	Not    []string `json:"not,omitempty"`    // rules that are about a group of theirs and do not give it, and why
	Could  []string `json:"could,omitempty"`  // what would give it
	State  string   `json:"state"`            // what the ledger and the marks say, in words
	Answer string   `json:"answer,omitempty"` // the last one of the backend, in words

	// Has, Reason and Past are of the report of access: the caller fills them in.
	Has    string `json:"has"`              // yes, no or unknown
	Reason string `json:"reason,omitempty"` // a code: why not, or what the role waits for
	Past

	missed []int // the indexes of the rules in Not
}

// Past is where a grant comes from, as the audit trail has it. A field is empty if it is not known.
type Past struct {
	Since       time.Time `json:"since,omitzero"`
	Request     string    `json:"request,omitempty"`
	RequestedBy string    `json:"requested_by,omitempty"`
	Confirmed   time.Time `json:"confirmed,omitzero"` // by the vendor
}

// Explain finds a user by userName, e-mail address, externalId or id in every directory and says, for all roles or one, what gives
// it and how it stands. It may be called from any goroutine.
func (w *Desk) Explain(ctx context.Context, who, role string) ([]Why, error) {
	var out []Why

	err := w.Store.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, idp := range tx.IdPs() {
			users, err := called.Users(tx.Directory(idp), who)
			if err != nil {
				return err
			}
			for _, u := range users {
				why, err := w.why(tx, idp, u, role)
				if err != nil {
					return err
				}
				out = append(out, why)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("explaining: %w", err)
	}
	return out, nil
}

func (w *Desk) why(tx store.Tx, idp string, u store.User, role string) (Why, error) {
	out := Why{Backend: w.Name, IdP: idp, User: u.UserName, UserID: u.ID, Active: u.Active, Groups: []string{}, Grants: []WhyGrant{}}
	subject := store.Subject{IdP: idp, User: u.ID}
	_, groups, err := view.UserAndGroups(tx, subject)
	if err != nil {
		return out, err
	}
	for _, g := range groups {
		out.Groups = append(out.Groups, g.DisplayName)
	}
	link, err := tx.Accounts(w.Name).Link(idp, u.ID)
	if err == nil {
		out.Account, out.LookedUp = link.Account, link.Seen
	} else if !errors.Is(err, store.ErrNotFound) {
		return out, err
	}
	at := map[[2]string]int{}
	grant := func(target, role string) *WhyGrant {
		key := [2]string{target, role}
		i, known := at[key]
		if !known {
			i = len(out.Grants)
			at[key] = i
			out.Grants = append(out.Grants, WhyGrant{Target: target, Role: role, From: []string{}})
		}
		return &out.Grants[i]
	}
	explained := w.Bound(tx).Explain(idp, u, groups)
	for _, g := range explained.Grants {
		if g.Target.Backend != w.Name {
			continue
		}
		one := grant(g.Target.Target, g.Role)
		one.Wanted = explained.Active
		for _, r := range g.From {
			one.From = append(one.From, fmt.Sprintf("group %s, by the rule on line %d", r.Group.DisplayName, r.Rule.Line))
		}
	}
	if out.Account != "" {
		targets, err := tx.Ledger(w.Name).TargetsOf(out.Account)
		if err != nil {
			return out, err
		}
		for _, t := range targets {
			for e, err := range tx.Ledger(w.Name).Entries(t, out.Account) {
				if err != nil {
					return out, err
				}
				grant(t, e.Role)
			}
		}
	}
	for _, m := range w.Bound(tx).Misses(idp, u, groups) {
		if m.Target.Backend == w.Name {
			one := grant(m.Target.Target, m.Role)
			one.Not, one.missed = append(one.Not, w.missed(tx, idp, m)), append(one.missed, m.Rule.Index)
			one.Reason = cmp.Or(one.Reason, notGiven[m.Why])
		}
	}
	if role != "" && !slices.ContainsFunc(out.Grants, func(g WhyGrant) bool { return strings.EqualFold(g.Role, role) || strings.EqualFold(g.Target, role) }) {
		if err := w.offers(tx, role, grant); err != nil {
			return out, err
		}
	}
	if role != "" {
		out.Grants = slices.DeleteFunc(out.Grants, func(g WhyGrant) bool { return !strings.EqualFold(g.Role, role) && !strings.EqualFold(g.Target, role) })
	}
	for i := range out.Grants {
		if err := w.stands(tx, subject, out, &out.Grants[i]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// offers adds what could be meant by a word that nothing of the user is about: a role, or a target, which at Risk Cloud is the
// role.
func (w *Desk) offers(tx store.Tx, word string, grant func(target, role string) *WhyGrant) error {
	targets, err := w.AllTargets(tx)
	if err != nil {
		return err
	}
	for _, t := range targets {
		at := mapping.Target{Backend: w.Name, Target: t}
		if strings.EqualFold(t, word) {
			for _, role := range slices.Sorted(maps.Keys(w.InForce().Roles(at))) {
				grant(t, role)
			}
		} else if slices.Contains(w.InForce().FixedTargets(w.Name), t) && len(w.InForce().Givers(at, word)) > 0 {
			grant(t, word)
		}
	}
	return nil
}

// missed says why a rule does not give what it would.
func (w *Desk) missed(tx store.Tx, idp string, m mapping.Miss) string {
	about := fmt.Sprintf("group %s, by the rule on line %d", m.Group.DisplayName, m.Rule.Line)
	switch m.Why {
	case "where":
		return about + ": " + m.Rule.WhereText + " is not true of this person"
	case "paused":
		return about + ": the rule is paused"
	case "excluded":
		return about + ": the group is excluded"
	case "pin":
		return about + ": " + w.pinned(tx, idp, m.Group)
	}
	return about + ": the rule is for " + m.Rule.IdP
}

// notGiven has the codes of why a rule does not give what it would.
var notGiven = map[string]string{
	"where": "where", "paused": "rule_paused", "excluded": "excluded", "pin": "pin", "identity provider": "identity_provider",
}

// stands puts into words how a grant stands.
func (w *Desk) stands(tx store.Tx, s store.Subject, why Why, g *WhyGrant) error {
	if len(g.From) == 0 {
		for _, r := range w.InForce().Givers(mapping.Target{Backend: w.Name, Target: g.Target}, g.Role) {
			if slices.Contains(g.missed, r.Index) {
				continue // it is about a group of theirs, and Not says why it does not
			}
			such := ""
			if r.Target != g.Target {
				such = fmt.Sprintf(", such that %s is %s", r.Target, g.Target)
			}
			g.Could = append(g.Could, fmt.Sprintf("%s%s, by the rule on line %d", selects(r), such, r.Line))
		}
	}
	e, err := tx.Ledger(w.Name).Entry(g.Target, why.Account, g.Role)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known := err == nil
	m, err := tx.Work(w.Name).Mark(g.Target, s)
	if errors.Is(err, store.ErrNotFound) && why.Account != "" {
		m, err = tx.Work(w.Name).Mark(g.Target, store.Subject{Account: why.Account})
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	marked := err == nil
	if known {
		g.Answer = answered(e)
	}
	switch {
	case known && e.Hold != "":
		g.State = "has it; the removal is held as " + e.Hold + bracketed(reason.Hold(e.Why))
	case known && e.Open:
		g.State = "a call is under way"
	case known && !e.Doubt.IsZero():
		g.State = "a call had no clean answer; read back at " + e.Doubt.UTC().Format(time.RFC3339)
	case marked && m.State == store.Blocked:
		g.State = "blocked: " + m.Reason + bracketed(reason.Block(m.Reason).Words) + "; tried again at " + m.NotBefore.UTC().Format(time.RFC3339)
	case known && e.State == store.Present && g.Wanted:
		g.State = "has it, since " + e.Since.UTC().Format(time.RFC3339)
		if e.Adopted {
			g.State += "; it was there before"
		}
	case known && e.State == store.Present:
		if g.State, err = w.goes(tx, e); err != nil {
			return err
		}
	case known:
		g.State = "unknown: the vendor has not confirmed it"
	case g.Wanted && w.ModeNow() == view.Observe:
		g.State = "does not have it through the bridge, and does not get it: the mode of the backend is observe"
		if w.Standby() && w.InForce().Mode != view.Observe {
			g.State = "is to get it after `scimbridge resume`: the store was put back from a copy"
		}
	case g.Wanted:
		g.State = "is about to get it"
	case len(g.From) > 0:
		g.State = "does not have it: the user is not active"
	default:
		g.State = "does not have it through the bridge: in no group that gives it"
		if len(g.Not) > 0 {
			g.State = "does not have it through the bridge"
		}
		if foreign, err := w.leftAlone(tx, g.Target, why.Account, g.Role); err != nil || foreign {
			g.State = "an operator rejected its removal: if it is there, the bridge leaves it alone"
			return err
		}
	}
	if marked && m.State == store.Pending && !(known && e.Open) {
		g.State += "; waiting for delivery"
	}
	return nil
}

// goes puts into words what becomes of a grant that nothing of this user gives.
func (w *Desk) goes(tx store.Tx, e store.Entry) (string, error) {
	a := view.NewAccount(e.Account)
	if err := w.Load(tx, e.Target, e.Account, a, nil); err != nil {
		return "", err
	}
	_, want := a.Want[e.Role]
	switch {
	case want:
		return "has it, since " + e.Since.UTC().Format(time.RFC3339) + ": another user who is this account is given it", nil
	case slices.Contains(a.Frozen, e.Role):
		return "has it, and keeps it while the rule is paused", nil
	case e.Adopted && e.Borrowed && w.InForce().Mode == view.Sync:
		return "has it, as before the bridge; it is about to be the bridge's no longer", nil
	case w.Standby() && w.InForce().Mode == view.Sync:
		return "has it, and is to lose it after `scimbridge resume`: the store was put back from a copy", nil
	case w.InForce().Mode != view.Sync:
		return "has it, and keeps it: the mode of the backend is " + string(w.InForce().Mode), nil
	}
	return "has it, and is about to lose it", nil
}

// answers puts the notes of the ledger into words.
var answers = map[string]string{
	"ok": "done", "refused": "refused", "no_clean_answer": "none that was clean", "read_back": "read back afterwards", "interrupted": "none before the process ended",
	"missing": "done, and two readings since do not show it", "foreign": "found there by a reading", "absent_unverified": "refused, and taken for done: the person is listed, and the vendor shows no roles",
}

// answered is what the backend said last about a grant.
func answered(e store.Entry) string {
	asked, word := "to add", answers[e.Note]
	if !e.Wanted {
		asked = "to remove"
	}
	if word == "" {
		return ""
	}
	if e.Sent.IsZero() {
		return word
	}
	return word + ", asked " + asked + " it at " + e.Sent.UTC().Format(time.RFC3339)
}

func bracketed(words string) string {
	if words == "" {
		return ""
	}
	return " (" + words + ")"
}

// leftAlone says whether an operator refused to take the role away.
func (w *Desk) leftAlone(tx store.Tx, target, account, role string) (bool, error) {
	all, err := w.Disowned(tx, target)
	return all.Has(account, role), err
}

// selects says in words which groups a rule is about.
func selects(r mapping.Rule) string {
	var s string
	switch {
	case len(r.Groups) > 0:
		s = "membership of " + strings.Join(r.Groups, " or ")
	case r.Match != "":
		s = "membership of a group whose name matches " + r.Match
	case r.ExternalID != "":
		s = "membership of the group with externalId " + r.ExternalID
	default:
		s = "membership of the group with id " + r.ID
	}
	if len(r.Exclude) > 0 {
		s += ", but not " + strings.Join(r.Exclude, " or ")
	}
	if r.IdP != "" {
		s += ", of " + r.IdP
	}
	if r.WhereText != "" {
		s += " where " + r.WhereText
	}
	if r.Paused {
		s += " (paused)"
	}
	return s
}

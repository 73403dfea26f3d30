package desk

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// HeldGroup is what a hold of the kind `pin` is about: a group whose name is bound to another one.
type HeldGroup struct {
	IdP     string              `json:"identity_provider"`
	ID      string              `json:"id"`
	Name    string              `json:"name"`
	Members int                 `json:"members"`
	Bound   string              `json:"bound_to,omitempty"`   // the id of the group to which the name is bound; absent: one of another identity provider
	Became  string              `json:"bound_name,omitempty"` // what that is called now; absent: it is deleted
	Gives   map[string][]string `json:"gives"`                // target -> roles, if it is accepted
}

// pinHolds lists the groups that wait as holds.
func (w *Desk) pinHolds(tx store.Tx) (out []Hold, err error) {
	held, err := pin.Waits(tx, w.Name)
	if err != nil {
		return nil, err
	}
	for _, h := range held {
		g := &HeldGroup{IdP: h.IdP, ID: h.Takes.ID, Name: h.Takes.DisplayName, Members: h.Members, Bound: h.Group, Gives: w.InForce().Gives(w.Name, h.IdP, h.Takes)}
		if h.Group != "" {
			before, err := tx.Directory(h.IdP).Group(h.Group)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			g.Became = before.DisplayName
		}
		out = append(out, Hold{ID: h.Held.ID, Backend: w.Name, Target: strings.Join(slices.Sorted(maps.Keys(g.Gives)), ", "),
			Why: reason.Pin, Since: h.Held.Since, Grants: []HeldItem{}, Group: g})
	}
	return out, nil
}

// decidePin accepts the group of a hold, to which the name is bound from then on, or keeps it out until it takes the name once more.
func (w *Desk) decidePin(tx store.Tx, hold Hold, by Decision, accept bool) error {
	held, err := pin.Waits(tx, w.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(held, func(h pin.Waiting) bool { return h.Held.ID == hold.base() })
	switch {
	case i < 0:
		return ErrNoHold
	case accept:
		return w.accept(tx, held[i], by)
	}
	held[i].Held.Rejected = true
	return errors.Join(w.noteDecision(tx, held[i], "hold.reject", by), held[i].Write(tx, w.Name, held[i].IdP))
}

// accept binds the name to the group that was held, and has everybody looked at where it counts.
func (w *Desk) accept(tx store.Tx, h pin.Waiting, by Decision) error {
	for _, kind := range []string{"hold.approve", "pin"} {
		if err := w.noteDecision(tx, h, kind, by); err != nil {
			return err
		}
	}
	for _, t := range w.InForce().Targets(h.IdP, h.Takes) {
		if t.Backend != w.Name {
			continue
		}
		if err := tx.Work(w.Name).Touch(t.Target, w.Clock(), by.By, store.Subject{}); err != nil {
			return err
		}
	}
	return pin.Binding{Name: h.Name, Group: h.Takes.ID}.Write(tx, w.Name, h.IdP)
}

func (w *Desk) noteDecision(tx store.Tx, h pin.Waiting, kind string, by Decision) error {
	_, err := tx.Events().Append(by.signed(store.Event{At: w.Clock(), Type: kind, IdP: h.IdP, Subject: h.Takes.ID, Name: h.Takes.DisplayName,
		Backend: w.Name, Detail: h.Held.ID + " " + reason.Pin}))
	return err
}

// previewPins adds to a plan what groups would give whose names are bound to others, unless an operator rejected them.
func (w *previewer) previewPins(tx store.Tx, out *Preview) error {
	rules := w.Bound(tx)
	for _, idp := range tx.IdPs() {
		dir := tx.Directory(idp)
		for g, err := range dir.Groups(store.From{}) {
			if err != nil {
				return err
			}
			gives := rules.Gives(w.Name, idp, g)
			if len(gives) == 0 || rules.Lets(w.Name, idp, g) {
				continue
			}
			p, _, err := pin.Read(tx, w.Name, idp, g.DisplayName)
			if err != nil {
				return err
			}
			if p.Held != nil && p.Held.Group == g.ID && p.Held.Rejected {
				continue
			}
			n, err := dir.MemberCount(g.ID)
			if err != nil {
				return err
			}
			for _, target := range slices.Sorted(maps.Keys(gives)) {
				for _, role := range gives[target] {
					out.Held = append(out.Held, PreviewHold{Target: target, Why: reason.Pin, Role: role, Group: g.DisplayName, Members: n})
					out.Users = append(out.Users, PlannedGrant{Target: target, Role: role, Action: Grant, State: IsHeld, Reason: reason.Pin,
						Why: []string{fmt.Sprintf("group %s with %d member(s)", g.DisplayName, n)}})
				}
			}
		}
	}
	return nil
}

// pinned says in words why a rule with Pin gives a group nothing.
func (w *Desk) pinned(tx store.Tx, idp string, g store.Group) string {
	p, _, err := pin.Read(tx, w.Name, idp, g.DisplayName)
	switch {
	case err != nil || p.Held == nil || p.Held.Group != g.ID:
		return "the name is bound to another group"
	case p.Held.Rejected:
		return "the name is bound to another group, and an operator rejected this one"
	}
	return "the name is bound to another group; `scimbridge hold approve " + p.Held.ID + "` accepts this one"
}

package delivery

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// whyPin is why a group gives nothing by a rule with Pin: its name is another group's until an operator accepts it.
const whyPin = "pin"

// pin binds a displayName, for the rules with Pin of a backend and in the directory of one identity provider, to a group. It stands in
// the store and is written in the transaction that gives a group its name, so that neither a restart, other rules nor another replica
// can come between.
type pin struct {
	Name  string    `json:"name"`
	Group string    `json:"group,omitempty"` // its id; "" if the name is bound in another directory only
	Held  *stranger `json:"held,omitempty"`  // the group that has the name now and is not accepted
}

// stranger is a group that took a name that is bound to another.
type stranger struct {
	Group    string    `json:"group"`
	ID       string    `json:"id"` // of the hold
	Since    time.Time `json:"since"`
	Rejected bool      `json:"rejected,omitempty"` // an operator keeps it out
}

// pinRow is the record of a binding.
func pinRow(backend, idp, name string) store.Pin {
	sum := sha256.Sum256([]byte(mapping.Name(name)))
	return store.Pin{Backend: backend, IdP: idp, Key: hex.EncodeToString(sum[:16])}
}

func pinIn(r store.Pin) pin {
	p := pin{Name: r.Name, Group: r.Bound}
	if r.Held != "" {
		p.Held = &stranger{Group: r.Held, ID: r.Hold, Since: r.HeldSince, Rejected: r.Rejected}
	}
	return p
}

func readPin(tx store.Tx, backend, idp, name string) (p pin, there bool, err error) {
	r, there, err := store.Get(tx, pinRow(backend, idp, name))
	if err != nil || !there {
		return pin{}, false, err
	}
	return pinIn(r), true, nil
}

func (p pin) write(tx store.Tx, backend, idp string) error {
	r := pinRow(backend, idp, p.Name)
	if r.Name, r.Bound = p.Name, p.Group; p.Held != nil {
		r.Held, r.Hold, r.HeldSince, r.Rejected = p.Held.Group, p.Held.ID, p.Held.Since, p.Held.Rejected
	}
	return store.Put(tx, r)
}

// boundElsewhere says whether a name is bound in the directory of another identity provider.
func boundElsewhere(tx store.Tx, backend, idp, name string) (bool, error) {
	for _, other := range tx.IdPs() {
		if other == idp {
			continue
		}
		if p, _, err := readPin(tx, backend, other, name); err != nil || p.Group != "" {
			return true, err
		}
	}
	return false, nil
}

// rules are those in force, over the names as they are bound.
func (w *Worker) rules(tx store.Tx) *mapping.Rules { return bind(tx, w.inForce()) }

func bind(tx store.Tx, rules *mapping.Rules) *mapping.Rules {
	return rules.With(func(backend, idp string, g store.Group) bool {
		p, free, err := claim(tx, rules, backend, idp, g) // free: the rules are only proposed, and it would be bound to this one
		return err == nil && (free || p.Group == g.ID)
	})
}

// Named notes, in the transaction that does it, that a group has got its name: old is the group as it was, zero if it is new. The first
// group of a name that a rule with Pin is about is the one to which it is bound; any other is held.
func Named(tx store.Tx, rules *mapping.Rules, backend, idp string, old, g store.Group, by store.Origin) error {
	if old.ID != "" && mapping.Name(old.DisplayName) == mapping.Name(g.DisplayName) {
		return nil // only its letter case
	}
	if pinned, _ := rules.Pinned(backend, idp, g); !pinned {
		return nil
	}
	p, free, err := claim(tx, rules, backend, idp, g)
	if err != nil {
		return err
	}
	return p.took(tx, backend, idp, g, free, by)
}

// claim reads the binding of a group's name, and says whether the name is free: bound to no group, here or, if it is pinned for groups of
// every identity provider, elsewhere.
func claim(tx store.Tx, rules *mapping.Rules, backend, idp string, g store.Group) (p pin, free bool, err error) {
	p, there, err := readPin(tx, backend, idp, g.DisplayName)
	if err != nil || there {
		return p, false, err
	}
	if _, everybody := rules.Pinned(backend, idp, g); everybody {
		elsewhere, err := boundElsewhere(tx, backend, idp, g.DisplayName)
		return p, !elsewhere, err
	}
	return p, true, nil
}

// took decides about a group that has the name now.
func (p pin) took(tx store.Tx, backend, idp string, g store.Group, free bool, by store.Origin) error {
	event := initiated(store.Event{At: by.At, Type: "pin", Actor: "bridge", IdP: idp, Subject: g.ID, Name: g.DisplayName, Backend: backend}, by)
	switch {
	case p.Group == g.ID: // it is back
		return nil
	case free:
		p = pin{Name: g.DisplayName, Group: g.ID}
	default:
		n, err := tx.Ledger(backend).NextAttempt()
		if err != nil {
			return err
		}
		p.Name = cmp.Or(p.Name, g.DisplayName)
		p.Held = &stranger{Group: g.ID, ID: backend + "-" + strconv.FormatUint(n, 10), Since: by.At}
		event.Type, event.Detail = "hold", p.Held.ID+" "+whyPin
	}
	if _, err := tx.Events().Append(event); err != nil {
		return err
	}
	return p.write(tx, backend, idp)
}

// Bind makes the bindings of a backend that rules need which are about to be in force: names that they pin and that are bound to
// no group are bound to the groups that have them. Names that they do not pin any more stay bound until the replica that delivers goes by them,
// since replicas with other rules may go on pinning them: see Remap.
func Bind(ctx context.Context, s store.Store, rules *mapping.Rules, backend string, now time.Time) error {
	err := s.Update(ctx, func(tx store.Tx) error { return bindAll(tx, rules, backend, now) })
	if err != nil {
		return fmt.Errorf("binding names to groups: %w", err)
	}
	return nil
}

func bindAll(tx store.Tx, rules *mapping.Rules, backend string, now time.Time) error {
	claims, err := claims(tx, rules, backend)
	for _, c := range claims {
		if err == nil {
			err = c.took(tx, backend, c.idp, c.group, c.free, store.Origin{Initiator: byRules, At: now})
		}
	}
	return err
}

// claimed is a group that has a name which rules pin.
type claimed struct {
	pinOf
	group store.Group
	free  bool
}

// claims lists the groups whose names are not decided about. Those of several identity providers that have one name now have it
// all.
func claims(tx store.Tx, rules *mapping.Rules, backend string) (out []claimed, err error) {
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			if pinned, _ := rules.Pinned(backend, idp, g); !pinned {
				continue
			}
			p, free, err := claim(tx, rules, backend, idp, g)
			if err != nil {
				return nil, err
			}
			if p.Held == nil || p.Held.Group != g.ID { // else it is held, or rejected, since it took the name
				out = append(out, claimed{pinOf{idp, p}, g, free})
			}
		}
	}
	return out, nil
}

// unbind ends the bindings of names that rules do not pin.
func unbind(tx store.Tx, rules *mapping.Rules, backend string) error {
	all, err := allPins(tx, backend)
	if err != nil {
		return err
	}
	for _, p := range all {
		if pinned, _ := rules.Pinned(backend, p.idp, store.Group{DisplayName: p.Name}); pinned {
			continue
		}
		if err := store.Delete(tx, pinRow(backend, p.idp, p.Name)); err != nil {
			return err
		}
	}
	return nil
}

// pinOf is a binding in the directory of an identity provider.
type pinOf struct {
	idp string
	pin
}

// allPins lists the bindings of a backend.
func allPins(tx store.Tx, backend string) (out []pinOf, err error) {
	for r, err := range store.List(tx, store.Pin{Backend: backend}) {
		if err != nil {
			return nil, fmt.Errorf("reading to which group a name is bound: %w", err)
		}
		out = append(out, pinOf{r.IdP, pinIn(r)})
	}
	return out, nil
}

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

// waiting is a group that waits for an operator.
type waiting struct {
	pinOf
	group   store.Group
	members int
}

// heldGroups lists the groups that wait: they still have the name, and no operator rejected them.
func heldGroups(tx store.Tx, backend string) (out []waiting, err error) {
	all, err := allPins(tx, backend)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.Held == nil || p.Held.Rejected {
			continue
		}
		dir := tx.Directory(p.idp)
		g, err := dir.Group(p.Held.Group)
		if errors.Is(err, store.ErrNotFound) || err == nil && mapping.Name(g.DisplayName) != mapping.Name(p.Name) {
			continue // it is gone again
		}
		if err != nil {
			return nil, err
		}
		n, err := dir.MemberCount(g.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, waiting{p, g, n})
	}
	return out, nil
}

// HeldByPin counts, for the gauge, the members of groups that wait for an operator: at least one each, since an empty one waits, too.
func HeldByPin(tx store.Tx, backend string) (n int, err error) {
	held, err := heldGroups(tx, backend)
	for _, h := range held {
		n += max(h.members, 1)
	}
	return n, err
}

// pinHolds lists the groups that wait as holds.
func (w *Worker) pinHolds(tx store.Tx) (out []Hold, err error) {
	held, err := heldGroups(tx, w.Name)
	if err != nil {
		return nil, err
	}
	for _, h := range held {
		g := &HeldGroup{IdP: h.idp, ID: h.group.ID, Name: h.group.DisplayName, Members: h.members, Bound: h.Group, Gives: w.inForce().Gives(w.Name, h.idp, h.group)}
		if h.Group != "" {
			before, err := tx.Directory(h.idp).Group(h.Group)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			g.Became = before.DisplayName
		}
		out = append(out, Hold{ID: h.Held.ID, Backend: w.Name, Target: strings.Join(slices.Sorted(maps.Keys(g.Gives)), ", "),
			Why: whyPin, Since: h.Held.Since, Grants: []HeldItem{}, Group: g})
	}
	return out, nil
}

// decidePin accepts the group of a hold, to which the name is bound from then on, or keeps it out until it takes the name once more.
func (w *Worker) decidePin(tx store.Tx, hold Hold, by store.Origin, accept bool) error {
	held, err := heldGroups(tx, w.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(held, func(h waiting) bool { return h.Held.ID == hold.base() })
	switch {
	case i < 0:
		return ErrNoHold
	case accept:
		return w.accept(tx, held[i], by)
	}
	held[i].Held.Rejected = true
	return errors.Join(w.noteDecision(tx, held[i], "hold.reject", by), held[i].write(tx, w.Name, held[i].idp))
}

// accept binds the name to the group that was held, and has everybody looked at where it counts.
func (w *Worker) accept(tx store.Tx, h waiting, by store.Origin) error {
	for _, kind := range []string{"hold.approve", "pin"} {
		if err := w.noteDecision(tx, h, kind, by); err != nil {
			return err
		}
	}
	for _, t := range w.inForce().Targets(h.idp, h.group) {
		if t.Backend != w.Name {
			continue
		}
		if err := tx.Work(w.Name).Touch(t.Target, w.now(), by, store.Subject{}); err != nil {
			return err
		}
	}
	return pin{Name: h.Name, Group: h.group.ID}.write(tx, w.Name, h.idp)
}

func (w *Worker) noteDecision(tx store.Tx, h waiting, kind string, by store.Origin) error {
	_, err := tx.Events().Append(decided(store.Event{At: w.now(), Type: kind, IdP: h.idp, Subject: h.group.ID, Name: h.group.DisplayName,
		Backend: w.Name, Detail: h.Held.ID + " " + whyPin}, by))
	return err
}

// previewPins adds to a plan what groups would give whose names are bound to others, unless an operator rejected them.
func (w *Worker) previewPins(tx store.Tx, out *Preview) error {
	rules := w.rules(tx)
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
			p, _, err := readPin(tx, w.Name, idp, g.DisplayName)
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
					out.Held = append(out.Held, PreviewHold{Target: target, Why: whyPin, Role: role, Group: g.DisplayName, Members: n})
					out.Users = append(out.Users, PlannedGrant{Target: target, Role: role, Action: Grant, State: IsHeld, Reason: whyPin,
						Why: []string{fmt.Sprintf("group %s with %d member(s)", g.DisplayName, n)}})
				}
			}
		}
	}
	return nil
}

// pinned says in words why a rule with Pin gives a group nothing.
func (w *Worker) pinned(tx store.Tx, idp string, g store.Group) string {
	p, _, err := readPin(tx, w.Name, idp, g.DisplayName)
	switch {
	case err != nil || p.Held == nil || p.Held.Group != g.ID:
		return "the name is bound to another group"
	case p.Held.Rejected:
		return "the name is bound to another group, and an operator rejected this one"
	}
	return "the name is bound to another group; `scimbridge hold approve " + p.Held.ID + "` accepts this one"
}

package pin

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// Binding binds a displayName, for the rules with Pin of a backend and in the directory of one identity provider, to a group. It stands in
// the store and is written in the transaction that gives a group its name, so that neither a restart, other rules nor another replica
// can come between.
type Binding struct {
	Name  string    `json:"name"`
	Group string    `json:"group,omitempty"` // its id; "" if the name is bound in another directory only
	Held  *Stranger `json:"held,omitempty"`  // the group that has the name now and is not accepted
}

// Stranger is a group that took a name that is bound to another.
type Stranger struct {
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

func pinIn(r store.Pin) Binding {
	p := Binding{Name: r.Name, Group: r.Bound}
	if r.Held != "" {
		p.Held = &Stranger{Group: r.Held, ID: r.Hold, Since: r.HeldSince, Rejected: r.Rejected}
	}
	return p
}

// Read reads the binding of a name.
func Read(tx store.Tx, backend, idp, name string) (p Binding, there bool, err error) {
	r, there, err := store.Get(tx, pinRow(backend, idp, name))
	if err != nil || !there {
		return Binding{}, false, err
	}
	return pinIn(r), true, nil
}

// boundElsewhere says whether a name is bound in the directory of another identity provider.
func boundElsewhere(tx store.Tx, backend, idp, name string) (bool, error) {
	for _, other := range tx.IdPs() {
		if other == idp {
			continue
		}
		if p, _, err := Read(tx, backend, other, name); err != nil || p.Group != "" {
			return true, err
		}
	}
	return false, nil
}

// Bound returns rules over the names of groups as the store has them bound.
func Bound(tx store.Tx, rules *mapping.Rules) *mapping.Rules {
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
func claim(tx store.Tx, rules *mapping.Rules, backend, idp string, g store.Group) (p Binding, free bool, err error) {
	p, there, err := Read(tx, backend, idp, g.DisplayName)
	if err != nil || there {
		return p, false, err
	}
	if _, everybody := rules.Pinned(backend, idp, g); everybody {
		elsewhere, err := boundElsewhere(tx, backend, idp, g.DisplayName)
		return p, !elsewhere, err
	}
	return p, true, nil
}

func (p Binding) Write(tx store.Tx, backend, idp string) error {
	r := pinRow(backend, idp, p.Name)
	if r.Name, r.Bound = p.Name, p.Group; p.Held != nil {
		r.Held, r.Hold, r.HeldSince, r.Rejected = p.Held.Group, p.Held.ID, p.Held.Since, p.Held.Rejected
	}
	return store.Put(tx, r)
}

// took decides about a group that has the name now.
func (p Binding) took(tx store.Tx, backend, idp string, g store.Group, free bool, by store.Origin) error {
	event := memory.Initiated(store.Event{At: by.At, Type: "pin", Actor: "bridge", IdP: idp, Subject: g.ID, Name: g.DisplayName, Backend: backend}, by)
	switch {
	case p.Group == g.ID: // it is back
		return nil
	case free:
		p = Binding{Name: g.DisplayName, Group: g.ID}
	default:
		n, err := tx.Ledger(backend).NextAttempt()
		if err != nil {
			return err
		}
		p.Name = cmp.Or(p.Name, g.DisplayName)
		p.Held = &Stranger{Group: g.ID, ID: backend + "-" + strconv.FormatUint(n, 10), Since: by.At}
		event.Type, event.Detail = "hold", p.Held.ID+" "+reason.Pin
	}
	if _, err := tx.Events().Append(event); err != nil {
		return err
	}
	return p.Write(tx, backend, idp)
}

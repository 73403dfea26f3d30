package pin

import (
	"errors"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// Waiting is a group that waits for an operator.
type Waiting struct {
	Of
	Takes   store.Group
	Members int
}

// Waits lists the groups that wait: they still have the name, and no operator rejected them.
func Waits(tx store.Tx, backend string) (out []Waiting, err error) {
	all, err := allPins(tx, backend)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.Held == nil || p.Held.Rejected {
			continue
		}
		dir := tx.Directory(p.IdP)
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
		out = append(out, Waiting{p, g, n})
	}
	return out, nil
}

// HeldMembers counts, for the gauge, the members of groups that wait for an operator: at least one each, since an empty one waits, too.
func HeldMembers(tx store.Tx, backend string) (n int, err error) {
	held, err := Waits(tx, backend)
	for _, h := range held {
		n += max(h.Members, 1)
	}
	return n, err
}

package change

import (
	"context"

	"github.com/scimbridge/scimbridge/scim/ids"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// readAheadAbove is above how many members a group is read before the transaction, and rendered
// after it. Reading a million members takes longer than other changes should wait.
const readAheadAbove = 1000

// removals are members that a request removes without naming them, as of a version of the group.
type removals struct {
	version uint64
	values  []string
}

// choice chooses members to remove. It resolves the ids that are meant in a directory first.
type choice func(store.Directory) (func(store.Member) (bool, error), error)

// allBut chooses the members that are not listed.
func allBut(values []string) choice {
	return func(d store.Directory) (func(store.Member) (bool, error), error) {
		list, _, err := ids.Resolve(d, values)
		stay := make(map[string]bool, len(list))
		for _, v := range list {
			stay[v] = true
		}
		return func(m store.Member) (bool, error) { return !stay[m.Value], nil }, err
	}
}

// matching chooses the members that meet the filter of an operation.
func (w *Writer) matching(op patch.RowOp) choice {
	return func(d store.Directory) (func(store.Member) (bool, error), error) {
		var err error
		op.Match, err = ids.ResolveFilter(d, "members.", op.Match)
		return func(m store.Member) (bool, error) { return op.Matches(w.Renderer.Member(m)) }, err
	}
}

// removedBy returns what the first operation removes without naming it; nil if that is nothing.
func (w *Writer) removedBy(rows []patch.RowOp) choice {
	if len(rows) == 0 {
		return nil
	}
	switch op := rows[0]; op.Kind {
	case patch.ReplaceRows:
		return allBut(op.Values)
	case patch.ClearRows:
		return allBut(nil)
	case patch.RemoveMatching:
		return w.matching(op)
	}
	return nil
}

// readAhead reads what a request is about to remove from a large group. It leaves errors to the
// transaction, which meets them too.
func (w *Writer) readAhead(ctx context.Context, req Request, of choice) (out removals) {
	if of == nil {
		return out
	}
	_ = w.Store.View(ctx, func(tx store.Tx) error {
		out = removals{}
		dir := tx.Directory(req.IdP)
		g, err := dir.Group(req.Resource)
		if err != nil {
			return err
		}
		n, err := dir.MemberCount(g.ID)
		if err != nil || n <= readAheadAbove {
			return err
		}
		values, err := chosen(dir, g.ID, of)
		if err == nil {
			out = removals{g.Version, values}
		}
		return err
	})
	return out
}

// chosen lists the values of the chosen members.
func chosen(dir store.Directory, group string, of choice) (out []string, err error) {
	wanted, err := of(dir)
	if err != nil {
		return nil, err
	}
	for m, err := range dir.Members(group) {
		if err != nil {
			return nil, err
		}
		ok, err := wanted(m)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, m.Value)
		}
	}
	return out, nil
}

// removeChosen removes the chosen members. It uses what was read ahead unless another request, or an
// earlier operation of this one, has changed the group since.
func (c *change) removeChosen(g store.Group, of choice) ([]string, error) {
	ahead := c.ahead
	c.ahead = removals{}
	if ahead.version == 0 || ahead.version != g.Version {
		var err error
		if ahead.values, err = chosen(c.dir, g.ID, of); err != nil {
			return nil, err
		}
	}
	return c.dir.RemoveMembers(g.ID, ahead.values...)
}

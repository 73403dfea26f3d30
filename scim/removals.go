package scim

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// readAbove is above how many members of a group the members that a request removes without naming them are read before it takes
// its turn to write. Reading a million takes longer than others should wait.
const readAbove = 1000

// removals is what a request removes from a group by a filter, or by naming the members that stay, as of a version of the group.
type removals struct {
	version uint64
	values  []string
}

// ofMembers chooses members to remove, with the ids that are meant in a directory.
type ofMembers func(store.Directory) (func(store.Member) (bool, error), error)

// allBut chooses the members that are not listed.
func allBut(values []string) ofMembers {
	return func(d store.Directory) (func(store.Member) (bool, error), error) {
		ids, _, err := meantIDs(d, values)
		keep := make(map[string]bool, len(ids))
		for _, v := range ids {
			keep[v] = true
		}
		return func(m store.Member) (bool, error) { return !keep[m.Value], nil }, err
	}
}

// matching chooses the members that the filter of an operation matches.
func (s *Server) matching(op patch.RowOp) ofMembers {
	return func(d store.Directory) (func(store.Member) (bool, error), error) {
		var err error
		op.Match, err = meantFilter(d, "members.", op.Match)
		return func(m store.Member) (bool, error) { return op.Matches(s.member(m)) }, err
	}
}

// removedBy is what the first of the operations removes without naming it; nil if it does not.
func (s *Server) removedBy(rows []patch.RowOp) ofMembers {
	if len(rows) == 0 {
		return nil
	}
	switch op := rows[0]; op.Kind {
	case patch.ReplaceRows:
		return allBut(op.Values)
	case patch.ClearRows:
		return allBut(nil)
	case patch.RemoveMatching:
		return s.matching(op)
	}
	return nil
}

// readRemovals reads ahead what a request is about to remove from a large group. Failures are left to the request itself.
func (s *Server) readRemovals(r *http.Request, group string, of ofMembers) (out removals) {
	if of == nil {
		return out
	}
	_ = s.Store.View(r.Context(), func(tx store.Tx) error {
		out = removals{}
		dir := tx.Directory(callOf(r).idp)
		g, err := dir.Group(group)
		if err != nil {
			return err
		}
		n, err := dir.MemberCount(group)
		if err != nil || n <= readAbove {
			return err
		}
		values, err := chosen(dir, group, of)
		if err == nil {
			out = removals{g.Version, values}
		}
		return err
	})
	return out
}

// chosen lists the values of the members that are chosen.
func chosen(dir store.Directory, group string, of ofMembers) (out []string, err error) {
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

// removeChosen removes the chosen members. It uses what was read ahead if the group has not changed since, neither by another request
// nor by an earlier operation of this one.
func (c *change) removeChosen(g store.Group, of ofMembers) ([]string, error) {
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

// large says whether a resource has more members than are rendered while others wait for their turn to write.
func (r resource) large() (bool, error) {
	if r.members == nil {
		return false, nil
	}
	n, err := r.members()
	return n > readAbove, err
}

// renderMembers renders a group again, with its members, after it was written. If another request has changed it since, the answer
// shows that, with its version; of a group that was deleted since it shows no members.
func (s *Server) renderMembers(r *http.Request, out *written) {
	_ = s.Store.View(r.Context(), func(tx store.Tx) error {
		dir := tx.Directory(callOf(r).idp)
		g, err := dir.Group(out.id)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := s.renderGroup(&b, dir, g, projectionOf(r.URL.Query())); err != nil {
			return err
		}
		out.version, out.body = g.Version, b.Bytes()
		return nil
	})
}

// delta is what several operations on rows come to.
type delta []step

// step is what one operation added and removed; no value is in both.
type step struct{ added, removed []string }

func (d *delta) add(added, removed []string) {
	if len(added)+len(removed) > 0 {
		*d = append(*d, step{added, removed})
	}
}

// net lists the values that were added and those that were removed, without those for which operations undo each other.
func (d delta) net() (added, removed []string) {
	if len(d) == 1 { // which may be of a million
		return d[0].added, d[0].removed
	}
	sum := map[string]int{}
	var order []string
	count := func(values []string, by int) {
		for _, v := range values {
			if _, seen := sum[v]; !seen {
				order = append(order, v)
			}
			sum[v] += by
		}
	}
	for _, s := range d {
		count(s.added, 1)
		count(s.removed, -1)
	}
	for _, v := range order {
		switch sum[v] {
		case 1:
			added = append(added, v)
		case -1:
			removed = append(removed, v)
		}
	}
	return slices.Clip(added), slices.Clip(removed)
}

package change

import (
	"slices"

	"github.com/scimbridge/scimbridge/scim/ids"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// applyRows applies one operation of a PATCH to the membership rows. Only the forms that concern
// members without naming them read the group.
func (c *change) applyRows(g store.Group, op patch.RowOp, d *delta) error {
	var added, removed []string
	var err error
	switch op.Kind {
	case patch.AddRows:
		added, removed, err = c.addMembers(g.ID, op.Values)
	case patch.RemoveRows:
		removed, err = c.removeMembers(g.ID, op.Values)
	case patch.ReplaceRows:
		return c.replaceMembers(g, op.Values, d)
	case patch.ClearRows:
		removed, err = c.removeChosen(g, allBut(nil))
	case patch.RemoveMatching:
		removed, err = c.removeChosen(g, c.matching(op))
	}
	d.add(added, removed)
	return err
}

// addMembers adds members by the ids that are meant. It removes the odd spellings that the group has
// for them.
func (c *change) addMembers(group string, values []string) (added, removed []string, err error) {
	values, odd, err := ids.Resolve(c.dir, values)
	if err != nil {
		return nil, nil, err
	}
	if added, err = c.dir.AddMembers(group, values...); err != nil || len(odd) == 0 {
		return added, nil, err
	}
	removed, err = c.dir.RemoveMembers(group, odd...)
	return added, removed, err
}

// removeMembers removes members by the ids that are meant and by the ids that were sent.
func (c *change) removeMembers(group string, values []string) ([]string, error) {
	values, odd, err := ids.Resolve(c.dir, values)
	if err != nil {
		return nil, err
	}
	return c.dir.RemoveMembers(group, slices.Concat(values, odd)...)
}

// replaceMembers makes the members those given, by their difference.
func (c *change) replaceMembers(g store.Group, values []string, d *delta) error {
	values, _, err := ids.Resolve(c.dir, values)
	if err != nil {
		return err
	}
	removed, err := c.removeChosen(g, allBut(values))
	if err != nil {
		return err
	}
	added, err := c.dir.AddMembers(g.ID, values...)
	d.add(added, removed)
	return err
}

// putMembers decides what a PUT of a group means for its members: replace them by those given or by
// none, or leave them (replaces is false).
func (c *change) putMembers(g store.Group, given patch.Full) (members []string, replaces bool, err error) {
	if !given.HasRows {
		if c.ClearsMembers(c.IdP) {
			return nil, true, nil
		}
		n, err := c.dir.MemberCount(g.ID)
		if err != nil || n == 0 {
			return nil, false, err
		}
	}
	committed, err := c.PutMembers(c.tx, c.IdP, !given.HasRows, c.now)
	if committed != nil {
		c.committed = append(c.committed, committed)
	}
	return given.Rows, given.HasRows, err
}

// delta is the effect of several operations on rows.
type delta []step

// step is what one operation added and removed; no value is in both.
type step struct{ added, removed []string }

func (d *delta) add(added, removed []string) {
	if len(added)+len(removed) > 0 {
		*d = append(*d, step{added, removed})
	}
}

// net returns the values that were added and removed, without those that a later operation undid.
func (d delta) net() (added, removed []string) {
	if len(d) == 1 { // it can have a million values
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

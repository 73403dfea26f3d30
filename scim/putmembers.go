package scim

import (
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// putMembers decides what a PUT of a group makes of its members: those given, none, or those it has
// (replaces is false).
func (c *change) putMembers(g store.Group, given patch.Full) (members []string, replaces bool, err error) {
	if !given.HasRows {
		if c.ClearsMembers(c.call.idp) {
			return nil, true, nil
		}
		n, err := c.dir.MemberCount(g.ID)
		if err != nil || n == 0 {
			return nil, false, err
		}
	}
	committed, err := c.PutMembers(c.tx, c.call.idp, !given.HasRows, c.now)
	if committed != nil {
		c.committed = append(c.committed, committed)
	}
	return given.Rows, given.HasRows, err
}

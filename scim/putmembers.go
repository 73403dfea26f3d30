package scim

import "github.com/scimbridge/scimbridge/store"

// putMembers decides what a PUT of a group makes of its members: those given, none, or (nil) those
// it has.
func (c *change) putMembers(g store.Group, given *[]string) (*[]string, error) {
	omitted := given == nil
	if omitted && c.ClearsMembers(c.call.idp) {
		return &[]string{}, nil
	}
	if omitted {
		n, err := c.dir.MemberCount(g.ID)
		if err != nil || n == 0 {
			return nil, err
		}
	}
	committed, err := c.PutMembers(c.tx, c.call.idp, omitted, c.now)
	if committed != nil {
		c.committed = append(c.committed, committed)
	}
	return given, err
}

package scim

import (
	"bytes"
	"errors"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

func (c *change) createGroup(id string, given patch.Full) (resource, error) {
	g, err := groupFrom(store.Group{}, given.Attributes)
	if err != nil {
		return resource{}, err
	}
	g.ID, g.Version, g.Created, g.Modified = id, 1, c.now, c.now
	if err := c.dir.PutGroup(g); err != nil {
		return resource{}, err
	}
	if err := errors.Join(c.Named(c.tx, c.call.idp, store.Group{}, g, c.origin()), c.markTargets(g)); err != nil {
		return resource{}, err
	}
	added, _, err := c.addMembers(g.ID, given.Rows)
	if err != nil {
		return resource{}, err
	}
	e, err := groupEvent("group.create", store.Group{}, g)
	if err != nil {
		return resource{}, err
	}
	e.Added = added
	return c.groupResult(g), c.membersChanged(g, e)
}

// replaceGroup serves PUT. Members that are not given stay as they are, unless the identity
// provider is configured otherwise: no ambiguous request empties a group.
func (c *change) replaceGroup(id string, given patch.Full) (resource, error) {
	old, err := c.group(id)
	if err != nil {
		return resource{}, err
	}
	next, err := groupFrom(old, given.Attributes)
	if err != nil {
		return resource{}, err
	}
	var net delta
	members, replaces, err := c.putMembers(old, given)
	if err != nil {
		return resource{}, err
	}
	if replaces {
		if err := c.replaceMembers(old, members, &net); err != nil {
			return resource{}, err
		}
	}
	added, removed := net.net()
	return c.putGroup(old, next, added, removed)
}

// replaceMembers makes the rows those given, by their difference.
func (c *change) replaceMembers(g store.Group, values []string, net *delta) error {
	values, _, err := meantIDs(c.dir, values)
	if err != nil {
		return err
	}
	removed, err := c.removeChosen(g, allBut(values))
	if err != nil {
		return err
	}
	added, err := c.dir.AddMembers(g.ID, values...)
	net.add(added, removed)
	return err
}

// putGroup stores a changed group; a new name moves everybody, so both names' targets are swept.
func (c *change) putGroup(old, next store.Group, added, removed []string) (resource, error) {
	if bytes.Equal(old.Attributes, next.Attributes) && len(added)+len(removed) == 0 {
		return c.groupResult(old), nil
	}
	next.Version, next.Modified = old.Version+1, c.now
	if err := c.dir.PutGroup(next); err != nil {
		return resource{}, err
	}
	if old.DisplayName != next.DisplayName {
		if err := c.Named(c.tx, c.call.idp, old, next, c.origin()); err != nil {
			return resource{}, err
		}
	}
	if old.DisplayName != next.DisplayName || old.ExternalID != next.ExternalID {
		if err := errors.Join(c.sweep(old), c.sweep(next)); err != nil {
			return resource{}, err
		}
	}
	kind := "group.members"
	if !bytes.Equal(old.Attributes, next.Attributes) {
		kind = "group.replace"
	}
	e, err := groupEvent(kind, old, next)
	if err != nil {
		return resource{}, err
	}
	e.Added, e.Removed = added, removed
	return c.groupResult(next), c.membersChanged(next, e)
}

func (c *change) deleteGroup(id string) error {
	g, err := c.group(id)
	if err != nil {
		return err
	}
	n, err := c.dir.MemberCount(id)
	if err != nil {
		return err
	}
	if n > sweepAbove {
		err = c.sweep(g)
	} else {
		err = c.markMembers(g)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(c.markTargets(g), c.bumpGroups(id), c.dir.DeleteGroup(id)); err != nil {
		return err
	}
	e, err := groupEvent("group.delete", g, store.Group{})
	if err == nil {
		_, err = c.append(e)
	}
	return err
}

func (c *change) markMembers(g store.Group) error {
	values, err := c.members(g.ID)
	if err != nil {
		return err
	}
	return c.mark(g, values...)
}

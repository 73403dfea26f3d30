package change

import (
	"bytes"
	"errors"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

// markAllAbove is above how many members a deleted group is marked as a whole: the worker expands
// the mark.
const markAllAbove = 1000

func (c *change) createGroup(id string, given patch.Full) (written, error) {
	g, err := resource.GroupFrom(store.Group{}, given.Attributes)
	if err != nil {
		return written{}, err
	}
	g.ID, g.Version, g.Created, g.Modified = id, 1, c.now, c.now
	if err := c.dir.PutGroup(g); err != nil {
		return written{}, err
	}
	if err := errors.Join(c.Rules.GroupNamed(c.tx, c.IdP, store.Group{}, g, c.origin()), c.markSettings(g)); err != nil {
		return written{}, err
	}
	added, _, err := c.addMembers(g.ID, given.Rows)
	if err != nil {
		return written{}, err
	}
	e, err := groupEvent("group.create", store.Group{}, g)
	if err != nil {
		return written{}, err
	}
	e.Added = added
	return c.group(g), c.membersChanged(g, e)
}

// readGroup reads the group that a request changes, if it has the version that the client means.
func (c *change) readGroup(id string) (store.Group, error) {
	g, err := c.dir.Group(id)
	if err != nil {
		return g, err
	}
	return g, c.precondition(g.Version)
}

// replaceGroup executes a PUT. Members that it omits stay, unless the identity provider is
// configured otherwise: no ambiguous request empties a group.
func (c *change) replaceGroup(id string, given patch.Full) (written, error) {
	old, err := c.readGroup(id)
	if err != nil {
		return written{}, err
	}
	next, err := resource.GroupFrom(old, given.Attributes)
	if err != nil {
		return written{}, err
	}
	members, replaces, err := c.putMembers(old, given)
	if err != nil {
		return written{}, err
	}
	var d delta
	if replaces {
		if err := c.replaceMembers(old, members, &d); err != nil {
			return written{}, err
		}
	}
	added, removed := d.net()
	return c.putGroup(old, next, added, removed)
}

func (c *change) patchGroup(id string, given patch.Change) (written, error) {
	old, err := c.readGroup(id)
	if err != nil {
		return written{}, err
	}
	next := old
	if len(given.Attributes) > 0 {
		attrs, err := resource.Attributes(old.Attributes)
		if err != nil {
			return written{}, err
		}
		if _, err := patch.Apply(attrs, given.Attributes, resource.Groups.Patch); err != nil {
			return written{}, err
		}
		if next, err = resource.GroupFrom(old, attrs); err != nil {
			return written{}, err
		}
	}
	var d delta
	for _, op := range given.Rows {
		if err := c.applyRows(old, op, &d); err != nil {
			return written{}, err
		}
	}
	added, removed := d.net()
	return c.putGroup(old, next, added, removed)
}

// putGroup stores a changed group. A new name or externalId can move every member to other targets,
// so it marks the targets of both forms.
func (c *change) putGroup(old, next store.Group, added, removed []string) (written, error) {
	if bytes.Equal(old.Attributes, next.Attributes) && len(added)+len(removed) == 0 {
		return c.group(old), nil
	}
	next.Version, next.Modified = old.Version+1, c.now
	if err := c.dir.PutGroup(next); err != nil {
		return written{}, err
	}
	if old.DisplayName != next.DisplayName {
		if err := c.Rules.GroupNamed(c.tx, c.IdP, old, next, c.origin()); err != nil {
			return written{}, err
		}
	}
	if old.DisplayName != next.DisplayName || old.ExternalID != next.ExternalID {
		if err := errors.Join(c.markAll(old), c.markAll(next)); err != nil {
			return written{}, err
		}
	}
	event := "group.members"
	if !bytes.Equal(old.Attributes, next.Attributes) {
		event = "group.replace"
	}
	e, err := groupEvent(event, old, next)
	if err != nil {
		return written{}, err
	}
	e.Added, e.Removed = added, removed
	return c.group(next), c.membersChanged(next, e)
}

func (c *change) deleteGroup(id string) error {
	g, err := c.readGroup(id)
	if err != nil {
		return err
	}
	n, err := c.dir.MemberCount(id)
	if err != nil {
		return err
	}
	if n > markAllAbove {
		err = c.markAll(g)
	} else {
		err = c.markMembers(g)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(c.markSettings(g), c.bumpGroupsOf(id), c.dir.DeleteGroup(id)); err != nil {
		return err
	}
	e, err := groupEvent("group.delete", g, store.Group{})
	if err == nil {
		_, err = c.append(e)
	}
	return err
}

// bumpGroupsOf gives the groups of a deleted member a new version: they have one member less.
func (c *change) bumpGroupsOf(member string) error {
	var groups []store.Group
	for g, err := range c.dir.GroupsOf(member) {
		if err != nil {
			return err
		}
		groups = append(groups, g)
	}
	for _, g := range groups {
		g.Version, g.Modified = g.Version+1, c.now
		if err := c.dir.PutGroup(g); err != nil {
			return err
		}
	}
	return nil
}

package scim

import (
	"bytes"
	"errors"
	"slices"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

func (c *change) createUser(id string, attrs map[string]any) (resource, error) {
	u, err := userFrom(store.User{Active: true}, attrs)
	if err != nil {
		return resource{}, err
	}
	u.ID, u.Version, u.Created, u.Modified = id, 1, c.now, c.now
	back, err := c.comesBack(u)
	if err != nil {
		return resource{}, err
	}
	var old store.User
	if back != nil {
		old = *back
		u.ID, u.Version, u.Created = back.ID, back.Version+1, back.Created
		u.Original = originalOf(old, u)
	}
	if err := c.dir.PutUser(u); err != nil {
		return resource{}, err
	}
	if err := c.markUser(u.ID, false); err != nil { // memberships can be older than the user
		return resource{}, err
	}
	return c.userResult(u), c.userEvent("user.create", old, u)
}

// comesBack finds the inactive user whom a client creates once more, after a lost answer or a return: same userName
// and same externalId. Anybody else of that name is a conflict.
func (c *change) comesBack(u store.User) (*store.User, error) {
	found, err := c.dir.FindUsers(store.ByUserName, u.UserName)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if old := found[0]; !old.Active && u.ExternalID != "" && old.ExternalID == u.ExternalID {
		return &old, nil
	}
	return nil, store.ErrConflict
}

func (c *change) replaceUser(id string, attrs map[string]any) (resource, error) {
	old, err := c.user(id)
	if err != nil {
		return resource{}, err
	}
	next, err := userFrom(old, attrs)
	if err != nil {
		return resource{}, err
	}
	return c.putUser(old, next, "user.replace")
}

func (c *change) patchUser(id string, asked patch.Change) (resource, error) {
	old, err := c.user(id)
	if err != nil {
		return resource{}, err
	}
	attrs, err := unmarshalAttributes(old.Attributes)
	if err != nil {
		return resource{}, err
	}
	attrs["userName"], attrs["active"] = old.UserName, old.Active
	if old.ExternalID != "" {
		attrs["externalId"] = old.ExternalID
	}
	changed, err := patch.Apply(attrs, asked.Attributes, userKind.patch)
	if err != nil {
		return resource{}, err
	}
	if !changed {
		return c.userResult(old), nil
	}
	next, err := userFrom(old, attrs)
	if err != nil {
		return resource{}, err
	}
	return c.putUser(old, next, "user.patch")
}

// putUser stores a changed user and marks what the change may have made wrong; without a difference it does nothing.
func (c *change) putUser(old, next store.User, kind string) (resource, error) {
	if bytes.Equal(old.Attributes, next.Attributes) && old.Active == next.Active {
		return c.userResult(old), nil
	}
	next.Version, next.Modified = old.Version+1, c.now
	if err := c.dir.PutUser(next); err != nil {
		return resource{}, err
	}
	if c.Conditional() || len(c.others) > 0 || old.Active != next.Active || old.UserName != next.UserName || old.ExternalID != next.ExternalID || !slices.Equal(old.Emails, next.Emails) {
		if err := c.markUser(next.ID, old.Active && !next.Active); err != nil {
			return resource{}, err
		}
	}
	switch {
	case old.Active && !next.Active:
		kind = "user.deactivate"
	case !old.Active && next.Active:
		kind = "user.activate"
	}
	return c.userResult(next), c.userEvent(kind, old, next)
}

func (c *change) deleteUser(id string) error {
	u, err := c.user(id)
	if err != nil {
		return err
	}
	if err := c.markUser(id, true); err != nil {
		return err
	}
	if err := errors.Join(c.bumpGroups(id), c.dir.DeleteUser(id)); err != nil {
		return err
	}
	return c.userEvent("user.delete", u, store.User{})
}

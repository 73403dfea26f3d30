package change

import (
	"bytes"
	"errors"
	"slices"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

func (c *change) createUser(id string, given patch.Full) (written, error) {
	u, err := resource.UserFrom(store.User{Active: true}, given.Attributes)
	if err != nil {
		return written{}, err
	}
	u.ID, u.Version, u.Created, u.Modified = id, 1, c.now, c.now
	old, returns, err := c.findReturning(u)
	if err != nil {
		return written{}, err
	}
	if returns {
		u.ID, u.Version, u.Created = old.ID, old.Version+1, old.Created
		u.Original = resource.OriginalOf(old, u)
	}
	if err := c.dir.PutUser(u); err != nil {
		return written{}, err
	}
	if err := c.markUser(u.ID, false); err != nil { // memberships can be older than the user
		return written{}, err
	}
	return c.user(u), c.userEvent("user.create", old, u)
}

// findReturning finds the inactive user that a client creates once more, after a lost answer or a
// return: it has the same userName and the same externalId. Any other user of that name is a
// conflict.
func (c *change) findReturning(u store.User) (old store.User, returns bool, err error) {
	found, err := c.dir.FindUsers(store.ByUserName, u.UserName)
	if err != nil || len(found) == 0 {
		return old, false, err
	}
	if old = found[0]; !old.Active && u.ExternalID != "" && old.ExternalID == u.ExternalID {
		return old, true, nil
	}
	return old, false, store.ErrConflict
}

// readUser reads the user that a request changes, if the user has the version that the client means.
func (c *change) readUser(id string) (store.User, error) {
	u, err := c.dir.User(id)
	if err != nil {
		return u, err
	}
	return u, c.precondition(u.Version)
}

func (c *change) replaceUser(id string, given patch.Full) (written, error) {
	old, err := c.readUser(id)
	if err != nil {
		return written{}, err
	}
	next, err := resource.UserFrom(old, given.Attributes)
	if err != nil {
		return written{}, err
	}
	return c.putUser(old, next, "user.replace")
}

func (c *change) patchUser(id string, given patch.Change) (written, error) {
	old, err := c.readUser(id)
	if err != nil {
		return written{}, err
	}
	attrs, err := resource.Attributes(old.Attributes)
	if err != nil {
		return written{}, err
	}
	attrs["userName"], attrs["active"] = old.UserName, old.Active
	if old.ExternalID != "" {
		attrs["externalId"] = old.ExternalID
	}
	changed, err := patch.Apply(attrs, given.Attributes, resource.Users.Patch)
	if err != nil {
		return written{}, err
	}
	if !changed {
		return c.user(old), nil
	}
	next, err := resource.UserFrom(old, attrs)
	if err != nil {
		return written{}, err
	}
	return c.putUser(old, next, "user.patch")
}

// putUser stores a changed user and marks the grants that may be wrong now. It does nothing if
// nothing differs.
func (c *change) putUser(old, next store.User, event string) (written, error) {
	if bytes.Equal(old.Attributes, next.Attributes) && old.Active == next.Active {
		return c.user(old), nil
	}
	next.Version, next.Modified = old.Version+1, c.now
	if err := c.dir.PutUser(next); err != nil {
		return written{}, err
	}
	if c.Rules.Conditional() || len(c.otherRules) > 0 || old.Active != next.Active || old.UserName != next.UserName ||
		old.ExternalID != next.ExternalID || !slices.Equal(old.Emails, next.Emails) {
		if err := c.markUser(next.ID, old.Active && !next.Active); err != nil {
			return written{}, err
		}
	}
	switch {
	case old.Active && !next.Active:
		event = "user.deactivate"
	case !old.Active && next.Active:
		event = "user.activate"
	}
	return c.user(next), c.userEvent(event, old, next)
}

func (c *change) deleteUser(id string) error {
	u, err := c.readUser(id)
	if err != nil {
		return err
	}
	if err := c.markUser(id, true); err != nil {
		return err
	}
	if err := errors.Join(c.bumpGroupsOf(id), c.dir.DeleteUser(id)); err != nil {
		return err
	}
	return c.userEvent("user.delete", u, store.User{})
}

package scim

import (
	"bytes"
	"errors"
	"net/http"
	"path"
	"slices"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/store"
)

// change is one request's work on a directory, inside one store.Update. It collects what the request made wrong and
// what the audit trail should say.
type change struct {
	*Server
	tx      store.Tx
	dir     store.Directory
	call    *call
	method  string
	now     time.Time
	touched map[string]bool // backends
	others  []string        // see Server.Elsewhere

	committed []func() // run after the commit
	ahead     removals
}

// update runs fn in one transaction and, after the commit, nudges the workers of what it marked and
// runs what fn left for then.
func (s *Server) update(r *http.Request, fn func(c *change) error) error {
	var done *change
	who := callOf(r)
	ctx := r.Context()
	if r.Method != http.MethodPost { // which makes a new one
		ctx = store.About(ctx, path.Base(r.URL.Path))
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		c := &change{Server: s, tx: tx, dir: tx.Directory(who.idp), call: who, method: r.Method, now: s.Now().UTC(), touched: map[string]bool{}, others: s.Elsewhere(tx)}
		done = c
		return fn(c)
	})
	if err != nil {
		return err
	}
	for b := range done.touched {
		s.Nudge(b)
	}
	for _, f := range done.committed {
		f()
	}
	return nil
}

// resource is a user or group inside a transaction, as a request leaves it.
type resource struct {
	id       string
	version  uint64
	location string
	render   func(*bytes.Buffer, projection) error
	members  func() (int, error) // of a group; nil of a user
}

func (c *change) userResult(u store.User) resource {
	return resource{u.ID, u.Version, c.location(userKind, u.ID), func(b *bytes.Buffer, p projection) error { return c.renderUser(b, c.dir, u, p) }, nil}
}

func (c *change) groupResult(g store.Group) resource {
	return resource{g.ID, g.Version, c.location(groupKind, g.ID), func(b *bytes.Buffer, p projection) error { return c.renderGroup(b, c.dir, g, p) },
		func() (int, error) { return c.dir.MemberCount(g.ID) }}
}

// written is what a request that wrote is answered with.
type written struct {
	id, location string
	version      uint64
	body         []byte
}

// write runs fn in one transaction and, if a body is wanted, renders what it left there.
func (s *Server) write(r *http.Request, body bool, fn func(*change) (resource, error)) (written, error) {
	var out written
	later := false
	err := s.update(r, func(c *change) error {
		res, err := fn(c)
		if err != nil {
			return err
		}
		out = written{id: res.id, location: res.location, version: res.version}
		if !body {
			return nil
		}
		p := projectionOf(r.URL.Query())
		if later, err = res.large(); err != nil {
			return err
		}
		if later {
			p = projection{without: map[string]bool{"members": true}}
		}
		var b bytes.Buffer
		if err := res.render(&b, p); err != nil {
			return err
		}
		out.body = b.Bytes()
		return nil
	})
	if err == nil && later {
		s.renderMembers(r, &out)
	}
	return out, err
}

// user and group read what a request changes, if it has the version that the client wants to change.
func (c *change) user(id string) (store.User, error) {
	u, err := c.dir.User(id)
	if err != nil {
		return u, err
	}
	return u, c.call.precondition(u.Version)
}

func (c *change) group(id string) (store.Group, error) {
	g, err := c.dir.Group(id)
	if err != nil {
		return g, err
	}
	return g, c.call.precondition(g.Version)
}

// precondition is RFC 7644 section 3.14: 412 if the resource has changed since the client read it.
func (c *call) precondition(version uint64) error {
	if len(c.ifMatch) > 0 && !matches(c.ifMatch, version) || matches(c.ifNoneMatch, version) {
		return scimerrors.ScimError{Status: http.StatusPreconditionFailed, Detail: "the resource has changed: it is " + etag(version) + " now"}
	}
	return nil
}

// mark says that the users' grants may be wrong wherever the group counts.
func (c *change) mark(g store.Group, users ...string) error {
	subjects := make([]store.Subject, len(users))
	for i, u := range users {
		subjects[i] = store.Subject{IdP: c.call.idp, User: u}
	}
	return c.touch(g, subjects...)
}

// sweep says that everybody's grants may be wrong wherever the group counts.
func (c *change) sweep(g store.Group) error { return c.touch(g, store.Subject{}) }

// markTargets says that what a group's mere existence gives, the settings of its targets, may be wrong.
func (c *change) markTargets(g store.Group) error {
	return c.touch(g, store.Subject{Account: store.TargetSettings})
}

func (c *change) touch(g store.Group, subjects ...store.Subject) error {
	if len(subjects) == 0 {
		return nil
	}
	for _, t := range c.Targets(c.call.idp, g) {
		c.touched[t.Backend] = true
		if err := c.tx.Work(t.Backend).Touch(t.Target, c.now, c.origin(), subjects...); err != nil {
			return err
		}
	}
	return c.touchElsewhere(subjects...)
}

// touchElsewhere leaves it to whoever delivers to say where the subjects count.
func (c *change) touchElsewhere(subjects ...store.Subject) error {
	for _, name := range c.others {
		c.touched[name] = true
		if err := c.tx.Work(name).Touch(store.AnyTarget, c.now, c.origin(), subjects...); err != nil {
			return err
		}
	}
	return nil
}

// markUser marks the user wherever one of their groups counts; somebody who leaves goes before everybody else.
func (c *change) markUser(id string, leaves bool) error {
	for g, err := range c.dir.GroupsOf(id) {
		if err != nil {
			return err
		}
		for _, t := range c.Targets(c.call.idp, g) {
			c.touched[t.Backend] = true
			w, s := c.tx.Work(t.Backend), store.Subject{IdP: c.call.idp, User: id}
			touch := w.Touch
			if leaves {
				touch = w.TouchUrgent
			}
			if err := touch(t.Target, c.now, c.origin(), s); err != nil {
				return err
			}
		}
	}
	if !leaves {
		return c.touchElsewhere(store.Subject{IdP: c.call.idp, User: id})
	}
	return c.markEverywhere(id)
}

// markEverywhere marks somebody who leaves also where no group of theirs counts any more: something may be held there, or a
// membership be left.
func (c *change) markEverywhere(id string) error {
	for _, name := range c.tx.Backends() {
		_, err := c.tx.Accounts(name).Link(c.call.idp, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			c.touched[name] = true
			err = c.tx.Work(name).TouchUrgent(store.AnyTarget, c.now, c.origin(), store.Subject{IdP: c.call.idp, User: id})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// markEach is up to how many members are marked one by one. More are marked as those of the event that names them, which the
// worker takes apart: the request does not wait for that.
const markEach = 100

// membersChanged appends the event of a change of members and marks them wherever the group counts.
func (c *change) membersChanged(g store.Group, e store.Event) error {
	seq, err := c.append(e)
	if err != nil {
		return err
	}
	if len(e.Added)+len(e.Removed) > markEach {
		return c.touch(g, store.Subject{IdP: c.call.idp, Event: seq})
	}
	return c.mark(g, slices.Concat(e.Added, e.Removed)...)
}

// bumpGroups gives the groups of somebody who is deleted a new version: they have a member less.
func (c *change) bumpGroups(member string) error {
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

// members lists the values of a group's members.
func (c *change) members(group string) ([]string, error) {
	var out []string
	for m, err := range c.dir.Members(group) {
		if err != nil {
			return nil, err
		}
		out = append(out, m.Value)
	}
	return out, nil
}

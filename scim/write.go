package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
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
	return c.touch(g, store.Subject{Account: store.TargetItself})
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
		if err := c.tx.Work(name).Touch(store.Everywhere, c.now, c.origin(), subjects...); err != nil {
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
				touch = w.Hurry
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
			err = c.tx.Work(name).Hurry(store.Everywhere, c.now, c.origin(), store.Subject{IdP: c.call.idp, User: id})
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

// identity lists the values by which a user may be found at a vendor: see store.User.Original.
func identity(u store.User) []string {
	primary := ""
	if len(u.Emails) > 0 {
		primary = u.Emails[0]
	}
	return []string{u.UserName, primary, u.ExternalID}
}

// originalOf returns what is to be kept of the values that a user had first.
func originalOf(before, after store.User) []string {
	was := identity(before)
	same := slices.EqualFunc(was, identity(after), func(a, b string) bool { return store.Fold(a) == store.Fold(b) })
	if before.Original != nil || same {
		return before.Original
	}
	return was
}

// userFrom fills the typed fields of a user from its attributes. A missing `active` keeps what is given.
func userFrom(u store.User, attrs map[string]any) (store.User, error) {
	before := u
	was := append([]string{before.UserName, before.ExternalID}, before.Emails...)
	u.UserName, u.ExternalID = text(attrs, "userName"), text(attrs, "externalId")
	if strings.TrimSpace(u.UserName) == "" {
		return u, badValue("userName: expected a string that is not blank")
	}
	if active, ok := attrs["active"].(bool); ok {
		u.Active = active
	}
	attrs["active"] = u.Active
	u.Emails = emails(attrs["emails"])
	if err := errors.Join(identifiers("userName", was, u.UserName), identifiers("externalId", was, u.ExternalID), identifiers("emails.value", was, u.Emails...)); err != nil {
		return u, err
	}
	if u.ID != "" {
		u.Original = originalOf(before, u)
	}
	unassign(attrs, "id", "meta", "schemas", "groups", "password")
	var err error
	if u.Attributes, err = json.Marshal(attrs); err != nil {
		return u, fmt.Errorf("keeping a user: %w", err)
	}
	return u, notTooLarge(u.Attributes)
}

func groupFrom(g store.Group, attrs map[string]any) (store.Group, error) {
	was := []string{g.DisplayName, g.ExternalID}
	g.DisplayName, g.ExternalID = text(attrs, "displayName"), text(attrs, "externalId")
	if strings.TrimSpace(g.DisplayName) == "" {
		return g, badValue("displayName: expected a string that is not blank")
	}
	if err := errors.Join(identifiers("displayName", was, g.DisplayName), identifiers("externalId", was, g.ExternalID)); err != nil {
		return g, err
	}
	unassign(attrs, "id", "meta", "schemas", "members")
	var err error
	if g.Attributes, err = json.Marshal(attrs); err != nil {
		return g, fmt.Errorf("keeping a group: %w", err)
	}
	return g, notTooLarge(g.Attributes)
}

// notTooLarge refuses a resource that grew, over several requests, beyond what a client could send as a whole.
func notTooLarge(attributes []byte) error {
	if len(attributes) > maxUserBody {
		return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the resource would have more than %d bytes", maxUserBody)}
	}
	return nil
}

// unassign drops what is kept elsewhere or not at all, and what has no value: null and an empty list mean "unassigned"
// (RFC 7643 section 2.5), and so does an empty text or object, as in a PATCH.
func unassign(attrs map[string]any, names ...string) {
	for _, n := range names {
		delete(attrs, n)
	}
	assigned(attrs)
}

// assigned is what is left of a value without the parts that have none; nil if nothing is.
func assigned(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
	case map[string]any:
		for name, part := range v {
			if part = assigned(part); part == nil {
				delete(v, name)
			} else {
				v[name] = part
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		kept := make([]any, 0, len(v))
		for _, e := range v {
			if e = assigned(e); e != nil {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []map[string]any:
		kept := make([]map[string]any, 0, len(v))
		for _, e := range v {
			if assigned(e) != nil {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	}
	return v
}

func text(attrs map[string]any, name string) string {
	s, _ := attrs[name].(string)
	return s
}

// emails lists the addresses, the primary one first.
func emails(v any) []string {
	var list []any
	switch v := v.(type) {
	case []any:
		list = v
	case []map[string]any:
		for _, e := range v {
			list = append(list, e)
		}
	case map[string]any: // the library lets a single object pass for a list
		list = []any{v}
	}
	var out []string
	for _, e := range list {
		m, _ := e.(map[string]any)
		address := text(m, "value")
		if address == "" {
			continue
		}
		if primary, _ := m["primary"].(bool); primary {
			out = append([]string{address}, out...)
		} else {
			out = append(out, address)
		}
	}
	return out
}

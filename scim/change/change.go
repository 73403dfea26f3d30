package change

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

// Rules are the rules in force.
type Rules interface {
	// Targets lists where membership of a group counts.
	Targets(idp string, g store.Group) []mapping.Target
	// Conditional reports whether rules depend on more of a user than the groups: then every change
	// of a user is marked.
	Conditional() bool
	// GroupNamed records, in the transaction of the change, a group that is new (old is zero) or has
	// another displayName.
	GroupNamed(tx store.Tx, idp string, old, g store.Group, by store.Origin) error
	// OtherRules lists the backends for which a replica, or the worker of this one until its reload,
	// applies other rules. There a change is marked on every target.
	OtherRules(tx store.Tx) []string
}

// Writer executes requests that change a directory. All fields must be set.
type Writer struct {
	Store    store.Store
	Rules    Rules
	Renderer resource.Renderer
	// Nudge wakes the worker of a backend for which a committed request left marks.
	Nudge func(backend string)
	// ClearsMembers reports whether a PUT of a group without members empties it.
	ClearsMembers func(idp string) bool
	// PutMembers records, in its transaction, a PUT of a group that gives members, or that omits them
	// although the group has some. committed, unless nil, runs after the commit.
	PutMembers func(tx store.Tx, idp string, omitted bool, at time.Time) (committed func(), err error)
	Now        func() time.Time
}

// Request is the request that changes a directory.
type Request struct {
	IdP, Token string // the credential
	ID         string // of the request
	Method     string
	Resource   string // id of the resource; of a POST the id of the new one
	// The conditions of RFC 9110 section 13.1.
	IfMatch, IfNoneMatch []string
	Projection           resource.Projection
}

// Result is a resource after a change. Body is nil if the answer has none.
type Result struct {
	Location string
	Version  uint64
	Body     []byte
}

// Create executes a POST (RFC 7644 section 3.3).
func (w *Writer) Create(ctx context.Context, req Request, k *resource.Kind, given patch.Full) (Result, error) {
	return w.write(ctx, req, removals{}, true, func(c *change) (written, error) {
		return operationsOf(k).create(c, req.Resource, again(given))
	})
}

// Replace executes a PUT (RFC 7644 section 3.5.1).
func (w *Writer) Replace(ctx context.Context, req Request, k *resource.Kind, given patch.Full) (Result, error) {
	var unnamed choice
	if given.HasRows {
		unnamed = allBut(given.Rows)
	}
	ahead := w.readAhead(ctx, req, unnamed)
	return w.write(ctx, req, ahead, true, func(c *change) (written, error) {
		return operationsOf(k).replace(c, req.Resource, again(given))
	})
}

// Patch executes a PATCH (RFC 7644 section 3.5.2): all operations or none. The answer for a group
// has a body only if the client names the attributes that it wants.
func (w *Writer) Patch(ctx context.Context, req Request, k *resource.Kind, given patch.Change) (Result, error) {
	body := k == resource.Users || req.Projection.WantsOnlyNamed()
	ahead := w.readAhead(ctx, req, w.removedBy(given.Rows))
	return w.write(ctx, req, ahead, body, func(c *change) (written, error) {
		return operationsOf(k).patch(c, req.Resource, given)
	})
}

// Delete executes a DELETE (RFC 7644 section 3.6).
func (w *Writer) Delete(ctx context.Context, req Request, k *resource.Kind) error {
	return w.update(ctx, req, func(c *change) error { return operationsOf(k).remove(c, req.Resource) })
}

// again returns a copy for one run of a transaction, which may run more than once.
func again(given patch.Full) patch.Full {
	given.Attributes = maps.Clone(given.Attributes)
	return given
}

// operations are what requests do to a resource of a kind.
type operations struct {
	create, replace func(c *change, id string, given patch.Full) (written, error)
	patch           func(c *change, id string, given patch.Change) (written, error)
	remove          func(c *change, id string) error
}

func operationsOf(k *resource.Kind) operations {
	if k == resource.Users {
		return operations{(*change).createUser, (*change).replaceUser, (*change).patchUser, (*change).deleteUser}
	}
	return operations{(*change).createGroup, (*change).replaceGroup, (*change).patchGroup, (*change).deleteGroup}
}

// change is the work of one request inside one store.Update.
type change struct {
	*Writer
	Request
	tx         store.Tx
	dir        store.Directory
	now        time.Time
	marked     map[string]bool // backends to nudge after the commit
	otherRules []string        // see Rules.OtherRules
	ahead      removals

	committed []func() // to run after the commit
}

// update runs fn in one transaction. After the commit it nudges the workers of the marked backends.
func (w *Writer) update(ctx context.Context, req Request, fn func(c *change) error) error {
	if req.Method != http.MethodPost { // a POST makes a new resource
		ctx = store.About(ctx, req.Resource)
	}
	var last *change
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		last = &change{Writer: w, Request: req, tx: tx, dir: tx.Directory(req.IdP), now: w.Now().UTC(),
			marked: map[string]bool{}, otherRules: w.Rules.OtherRules(tx)}
		return fn(last)
	})
	if err != nil {
		return err
	}
	for b := range last.marked {
		w.Nudge(b)
	}
	for _, f := range last.committed {
		f()
	}
	return nil
}

// written is a user or a group as a change leaves it, inside the transaction.
type written struct {
	id, location string
	version      uint64
	render       func(*bytes.Buffer, resource.Projection) error
	members      func() (int, error) // of a group; nil for a user
}

func (c *change) user(u store.User) written {
	return written{u.ID, c.Renderer.Location(resource.Users, u.ID), u.Version, func(b *bytes.Buffer, p resource.Projection) error {
		return c.Renderer.WriteUser(b, c.dir, u, p)
	}, nil}
}

func (c *change) group(g store.Group) written {
	return written{g.ID, c.Renderer.Location(resource.Groups, g.ID), g.Version, func(b *bytes.Buffer, p resource.Projection) error {
		return c.Renderer.WriteGroup(b, c.dir, g, p)
	}, func() (int, error) { return c.dir.MemberCount(g.ID) }}
}

// large reports whether the members are too many to render while other changes wait.
func (r written) large() (bool, error) {
	if r.members == nil {
		return false, nil
	}
	n, err := r.members()
	return n > readAheadAbove, err
}

// write runs fn in one transaction and, if the answer has a body, renders the resource there. It
// renders the members of a large group after the commit.
func (w *Writer) write(ctx context.Context, req Request, ahead removals, body bool, fn func(*change) (written, error)) (Result, error) {
	var out Result
	var id string
	later := false
	err := w.update(ctx, req, func(c *change) error {
		c.ahead = ahead
		res, err := fn(c)
		if err != nil {
			return err
		}
		id, out = res.id, Result{Location: res.location, Version: res.version}
		if !body {
			return nil
		}
		p := req.Projection
		if later, err = res.large(); err != nil {
			return err
		}
		if later {
			p = resource.WithoutMembers()
		}
		var b bytes.Buffer
		if err := res.render(&b, p); err != nil {
			return err
		}
		out.Body = b.Bytes()
		return nil
	})
	if err == nil && later {
		w.renderLarge(ctx, req, id, &out)
	}
	return out, err
}

// renderLarge renders a group with its members after the commit. If another request has changed the
// group since, the answer shows that, with its version. If one has deleted it, the answer shows no
// members.
func (w *Writer) renderLarge(ctx context.Context, req Request, id string, out *Result) {
	_ = w.Store.View(ctx, func(tx store.Tx) error {
		dir := tx.Directory(req.IdP)
		g, err := dir.Group(id)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := w.Renderer.WriteGroup(&b, dir, g, req.Projection); err != nil {
			return err
		}
		out.Version, out.Body = g.Version, b.Bytes()
		return nil
	})
}

// precondition refuses a change of a resource that has changed since the client read it (RFC 7644
// section 3.14).
func (r Request) precondition(version uint64) error {
	if len(r.IfMatch) > 0 && !resource.MatchesETag(r.IfMatch, version) || resource.MatchesETag(r.IfNoneMatch, version) {
		return scimerrors.ScimError{Status: http.StatusPreconditionFailed,
			Detail: "the resource has changed: it is " + resource.ETag(version) + " now"}
	}
	return nil
}

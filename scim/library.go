package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	elimity "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// library serves POST, PUT and DELETE of a kind through elimity-com/scim, which validates bodies against the schemas.
// The body is repaired first.
func (s *Server) library(k *kind) http.Handler {
	srv, err := elimity.NewServer(&elimity.ServerArgs{
		ServiceProviderConfig: &elimity.ServiceProviderConfig{},
		ResourceTypes:         []elimity.ResourceType{s.resourceType(k)},
	}, elimity.WithBaseURL(s.PublicURL))
	if err != nil {
		panic("scim: the library refuses a constant resource type: " + err.Error())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete {
			if err := repairBody(r, k); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		srv.ServeHTTP(&overriding{ResponseWriter: w, call: callOf(r)}, r)
	})
}

func (s *Server) resourceType(k *kind) elimity.ResourceType {
	t := elimity.ResourceType{ID: optional.NewString(k.name), Name: k.name, Endpoint: k.endpoint, Schema: k.schema.Core, Handler: handler{s, k}}
	for _, e := range k.schema.Extensions {
		t.SchemaExtensions = append(t.SchemaExtensions, elimity.SchemaExtension{Schema: e})
	}
	return t
}

// repairBody rewrites what clients are known to send so that the library's validation accepts it.
func repairBody(r *http.Request, k *kind) error {
	attrs := map[string]any{}
	if err := json.Unmarshal(bodyOf(r), &attrs); err != nil {
		return scimerrors.ScimErrorInvalidSyntax
	}
	patch.RepairResource(attrs, k.schema)
	body, err := json.Marshal(attrs)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// overriding answers call.override in place of whatever error the library would make of it.
type overriding struct {
	http.ResponseWriter
	call *call
	done bool
}

func (o *overriding) WriteHeader(status int) {
	if o.call.override != nil && status >= 400 {
		o.done = true
		writeError(o.ResponseWriter, *o.call.override)
		return
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *overriding) Write(b []byte) (int, error) {
	if o.done {
		return len(b), nil
	}
	return o.ResponseWriter.Write(b)
}

// handler is what the library calls.
type handler struct {
	s *Server
	k *kind
}

// refuse keeps the error for the answer: the library would turn several statuses into 500.
func (h handler) refuse(r *http.Request, err error) error {
	e := toSCIM(err)
	if e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests {
		h.s.Log.Error("request failed", "request", callOf(r).id, "status", e.Status, "error", err)
	}
	callOf(r).override = &e
	return e
}

func (h handler) Create(r *http.Request, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	if h.k == userKind {
		return h.createUser(r, attrs)
	}
	return h.createGroup(r, attrs)
}

func (h handler) Replace(r *http.Request, id string, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	if h.k == userKind {
		return h.replaceUser(r, id, attrs)
	}
	return h.replaceGroup(r, id, attrs)
}

func (h handler) Delete(r *http.Request, id string) error {
	err := h.s.update(scopeOf(r), func(c *change) error {
		if h.k == userKind {
			return c.deleteUser(id)
		}
		return c.deleteGroup(id)
	})
	if err != nil {
		return h.refuse(r, err)
	}
	return nil
}

// Get, GetAll and Patch are routed around the library.
func (h handler) Get(*http.Request, string) (elimity.Resource, error) {
	return elimity.Resource{}, scimerrors.ScimErrorInternal
}

func (h handler) GetAll(*http.Request, elimity.ListRequestParams) (elimity.Page, error) {
	return elimity.Page{}, scimerrors.ScimErrorInternal
}

func (h handler) Patch(*http.Request, string, []elimity.PatchOperation) (elimity.Resource, error) {
	return elimity.Resource{}, scimerrors.ScimErrorInternal
}

func (h handler) createUser(r *http.Request, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	given, err := userFrom(store.User{Active: true}, attrs)
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	id := h.s.NewID()
	var out store.User
	err = h.s.update(scopeOf(r), func(c *change) error {
		out = given
		out.ID, out.Version, out.Created, out.Modified = id, 1, c.now, c.now
		back, err := c.comesBack(given)
		if err != nil {
			return err
		}
		if back != nil {
			out.ID, out.Version, out.Created = back.ID, back.Version+1, back.Created
		}
		if err := c.dir.PutUser(out); err != nil {
			return err
		}
		if err := c.markUser(out.ID); err != nil { // memberships can be older than the user
			return err
		}
		return c.event("user.create", out.ID, out.UserName, nil, nil)
	})
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	return h.user(r, out)
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

func (h handler) replaceUser(r *http.Request, id string, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	var out store.User
	err := h.s.update(scopeOf(r), func(c *change) error {
		old, err := c.dir.User(id)
		if err != nil {
			return err
		}
		next, err := userFrom(old, cloneMap(attrs))
		if err != nil {
			return err
		}
		out, err = c.putUser(old, next, "user.replace")
		return err
	})
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	return h.user(r, out)
}

// putUser stores a changed user and marks what the change may have made wrong; without a difference it does nothing.
func (c *change) putUser(old, next store.User, kind string) (store.User, error) {
	if bytes.Equal(old.Attributes, next.Attributes) && old.Active == next.Active {
		return old, nil
	}
	next.Version, next.Modified = old.Version+1, c.now
	if err := c.dir.PutUser(next); err != nil {
		return next, err
	}
	if old.Active != next.Active || old.UserName != next.UserName || old.ExternalID != next.ExternalID || !slices.Equal(old.Emails, next.Emails) {
		if err := c.markUser(next.ID); err != nil {
			return next, err
		}
	}
	switch {
	case old.Active && !next.Active:
		kind = "user.deactivate"
	case !old.Active && next.Active:
		kind = "user.activate"
	}
	return next, c.event(kind, next.ID, next.UserName, nil, nil)
}

func (c *change) deleteUser(id string) error {
	u, err := c.dir.User(id)
	if err != nil {
		return err
	}
	if err := c.markUser(id); err != nil {
		return err
	}
	if err := c.dir.DeleteUser(id); err != nil {
		return err
	}
	return c.event("user.delete", id, u.UserName, nil, nil)
}

func (h handler) createGroup(r *http.Request, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	values, err := memberValues(attrs["members"])
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	given, err := groupFrom(store.Group{}, attrs)
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	id := h.s.NewID()
	var out store.Group
	err = h.s.update(scopeOf(r), func(c *change) error {
		out = given
		out.ID, out.Version, out.Created, out.Modified = id, 1, c.now, c.now
		if err := c.dir.PutGroup(out); err != nil {
			return err
		}
		added, err := c.addMembers(out, values)
		if err != nil {
			return err
		}
		return c.event("group.create", id, out.DisplayName, added, nil)
	})
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	return h.group(r, out)
}

func (h handler) replaceGroup(r *http.Request, id string, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	values, err := memberValues(attrs["members"])
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	var out store.Group
	err = h.s.update(scopeOf(r), func(c *change) error {
		old, err := c.dir.Group(id)
		if err != nil {
			return err
		}
		next, err := groupFrom(old, cloneMap(attrs))
		if err != nil {
			return err
		}
		removed, err := c.keepOnly(old, values)
		if err != nil {
			return err
		}
		added, err := c.addMembers(old, values)
		if err != nil {
			return err
		}
		out, err = c.putGroup(old, next, added, removed)
		return err
	})
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	return h.group(r, out)
}

// keepOnly removes every member that is not listed.
func (c *change) keepOnly(g store.Group, values []string) ([]string, error) {
	keep := map[string]bool{}
	for _, v := range values {
		keep[v] = true
	}
	all, err := c.members(g.ID)
	if err != nil {
		return nil, err
	}
	return c.removeMembers(g, slices.DeleteFunc(all, func(v string) bool { return keep[v] }))
}

// putGroup stores a changed group; a new name moves everybody, so both names' targets are swept.
func (c *change) putGroup(old, next store.Group, added, removed []string) (store.Group, error) {
	if bytes.Equal(old.Attributes, next.Attributes) && len(added)+len(removed) == 0 {
		return old, nil
	}
	next.Version, next.Modified = old.Version+1, c.now
	if err := c.dir.PutGroup(next); err != nil {
		return next, err
	}
	if old.DisplayName != next.DisplayName {
		if err := errors.Join(c.sweep(old), c.sweep(next)); err != nil {
			return next, err
		}
	}
	kind := "group.members"
	if !bytes.Equal(old.Attributes, next.Attributes) {
		kind = "group.replace"
	}
	return next, c.event(kind, next.ID, next.DisplayName, added, removed)
}

func (c *change) deleteGroup(id string) error {
	g, err := c.dir.Group(id)
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
	if err := c.dir.DeleteGroup(id); err != nil {
		return err
	}
	return c.event("group.delete", id, g.DisplayName, nil, nil)
}

func (c *change) markMembers(g store.Group) error {
	values, err := c.members(g.ID)
	if err != nil {
		return err
	}
	for _, v := range values {
		if err := c.mark(g, v); err != nil {
			return err
		}
	}
	return nil
}

// user and group make the library's answer to a write.
func (h handler) user(r *http.Request, u store.User) (elimity.Resource, error) {
	out, err := h.s.userResource(u)
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	err = h.s.Store.View(r.Context(), func(tx store.Tx) error {
		groups, err := h.s.userGroups(tx.Directory(callOf(r).idp), u.ID)
		if len(groups) > 0 {
			out["groups"] = groups
		}
		return err
	})
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	return resource(r, out, u.ID, u.ExternalID, elimity.Meta{Created: &u.Created, LastModified: &u.Modified, Version: etag(u.Version)}), nil
}

func (h handler) group(r *http.Request, g store.Group) (elimity.Resource, error) {
	out, err := h.s.groupResource(g)
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	if projectionOf(r).wants("members") {
		err = h.s.Store.View(r.Context(), func(tx store.Tx) error {
			var b bytes.Buffer
			err := h.s.appendMembers(&b, tx.Directory(callOf(r).idp), g.ID)
			out["members"] = json.RawMessage(b.Bytes())
			return err
		})
		if err != nil {
			return elimity.Resource{}, h.refuse(r, err)
		}
	}
	return resource(r, out, g.ID, g.ExternalID, elimity.Meta{Created: &g.Created, LastModified: &g.Modified, Version: etag(g.Version)}), nil
}

func resource(r *http.Request, attrs map[string]any, id, external string, meta elimity.Meta) elimity.Resource {
	projectionOf(r).apply(attrs)
	for _, added := range []string{"id", "meta", "schemas", "externalId"} { // by the library
		delete(attrs, added)
	}
	res := elimity.Resource{ID: id, Attributes: attrs, Meta: meta}
	if external != "" {
		res.ExternalID = optional.NewString(external)
	}
	return res
}

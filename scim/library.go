package scim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"

	elimity "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"

	"github.com/scimbridge/scimbridge/scim/patch"
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
		srv.ServeHTTP(&answering{ResponseWriter: w, call: callOf(r)}, r)
	})
}

func (s *Server) resourceType(k *kind) elimity.ResourceType {
	t := elimity.ResourceType{ID: optional.NewString(k.name), Name: k.name, Endpoint: k.endpoint, Schema: k.schema.Core, Handler: handler{s, k}}
	for _, e := range k.schema.Extensions {
		t.SchemaExtensions = append(t.SchemaExtensions, elimity.SchemaExtension{Schema: e})
	}
	return t
}

// repairBody rewrites what clients are known to send so that the library's validation accepts it. The members of a group
// do not go through the library: they are kept for the handler.
func repairBody(r *http.Request, k *kind) error {
	attrs := map[string]any{}
	if err := json.Unmarshal(bodyOf(r), &attrs); err != nil {
		return scimerrors.ScimErrorInvalidSyntax
	}
	if err := patch.Unflatten(attrs, k.schema); err != nil {
		return err
	}
	values, given, err := k.patch.RowValues(attrs)
	if err != nil {
		return err
	}
	if given {
		callOf(r).members = &values
	}
	maps.DeleteFunc(attrs, func(key string, _ any) bool { return k.patch.Rows != "" && strings.EqualFold(key, k.patch.Rows) })
	patch.RepairResource(attrs, k.schema)
	body, err := json.Marshal(attrs)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// answering writes our answer where the library has one: it knows fewer statuses than RFC 7644 allows, and makes
// another resource than a read gives.
type answering struct {
	http.ResponseWriter
	call *call
	done bool
}

func (a *answering) WriteHeader(status int) {
	switch {
	case a.call.refused != nil && status >= 400:
		a.done = true
		writeError(a.ResponseWriter, *a.call.refused)
	case a.call.written != nil && status < 300:
		a.done = true
		w := a.call.written
		a.Header().Set("ETag", etag(w.version))
		if status == http.StatusCreated {
			a.Header().Set("Location", w.location)
		}
		writeJSON(a.ResponseWriter, status, w.body)
	default:
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answering) Write(b []byte) (int, error) {
	if a.done {
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// handler is what the library calls once a body is valid. The answers are kept for answering.
type handler struct {
	s *Server
	k *kind
}

func (h handler) Create(r *http.Request, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	id := cmp.Or(callOf(r).newID, h.s.NewID())
	return h.write(r, func(c *change) (resource, error) {
		if h.k == userKind {
			return c.createUser(id, maps.Clone(attrs))
		}
		return c.createGroup(id, maps.Clone(attrs))
	})
}

func (h handler) Replace(r *http.Request, id string, attrs elimity.ResourceAttributes) (elimity.Resource, error) {
	return h.write(r, func(c *change) (resource, error) {
		if h.k == userKind {
			return c.replaceUser(id, maps.Clone(attrs))
		}
		return c.replaceGroup(id, maps.Clone(attrs))
	})
}

func (h handler) write(r *http.Request, fn func(*change) (resource, error)) (elimity.Resource, error) {
	w, err := h.s.write(r, true, fn)
	if err != nil {
		return elimity.Resource{}, h.refuse(r, err)
	}
	callOf(r).written = &w
	return elimity.Resource{ID: w.id}, nil
}

func (h handler) Delete(r *http.Request, id string) error {
	err := h.s.update(r, func(c *change) error {
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

func (h handler) refuse(r *http.Request, err error) error {
	e := toSCIM(err)
	h.s.logFailure(r, e, err)
	callOf(r).refused = &e
	return e
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

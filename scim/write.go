package scim

import (
	"cmp"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/change"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/resource"
)

// create serves POST (RFC 7644 section 3.3).
func (s *Server) create(k *resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, err := patch.ReadNew(callOf(r).body, k.Patch)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.logIgnored(r, k, given.Ignored)
		req := requestOf(r)
		req.Resource = cmp.Or(callOf(r).newID, s.NewID())
		done, err := s.writer.Create(r.Context(), req, k, given)
		if err == nil {
			w.Header().Set("Location", done.Location)
		}
		s.answer(w, r, http.StatusCreated, done, err)
	}
}

// replace serves PUT (RFC 7644 section 3.5.1).
func (s *Server) replace(k *resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, err := patch.ReadReplacement(callOf(r).body, k.Patch)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.logIgnored(r, k, given.Ignored)
		done, err := s.writer.Replace(r.Context(), requestOf(r), k, given)
		s.answer(w, r, http.StatusOK, done, err)
	}
}

// patch serves PATCH (RFC 7644 section 3.5.2).
func (s *Server) patch(k *resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, err := patch.Parse(callOf(r).body, k.Patch)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.logIgnored(r, k, given.Ignored)
		done, err := s.writer.Patch(r.Context(), requestOf(r), k, given)
		s.answer(w, r, http.StatusOK, done, err)
	}
}

// delete serves DELETE (RFC 7644 section 3.6).
func (s *Server) delete(k *resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.writer.Delete(r.Context(), requestOf(r), k); err != nil {
			s.fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// requestOf returns what package change needs of a request.
func requestOf(r *http.Request) change.Request {
	c := callOf(r)
	return change.Request{IdP: c.idp, Token: c.token, ID: c.id, Method: r.Method, Resource: mux.Vars(r)["id"],
		IfMatch: c.ifMatch, IfNoneMatch: c.ifNoneMatch, Projection: resource.ProjectionOf(r.URL.Query())}
}

// answer answers a request that changed a resource, with 204 if there is no body.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, done change.Result, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("ETag", resource.ETag(done.Version))
	if done.Body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	message.WriteJSON(w, status, done.Body)
}

// logIgnored records which attributes of a request had no effect.
func (s *Server) logIgnored(r *http.Request, k *resource.Kind, attributes []string) {
	if len(attributes) > 0 {
		s.Log.Debug("attributes ignored", "request", callOf(r).id, "resource", k.Name, "attributes", attributes)
		s.Ignored(callOf(r).idp, k.Name, attributes)
	}
}

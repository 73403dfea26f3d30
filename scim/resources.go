package scim

import (
	"cmp"
	"maps"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/value"
)

// create serves POST (RFC 7644 section 3.3).
func (s *Server) create(k *kind) http.HandlerFunc {
	return s.writing(k, http.StatusCreated, patch.ReadNew, func(c *change, id string, given patch.Full) (resource, error) {
		id = cmp.Or(c.call.newID, id)
		if k == userKind {
			return c.createUser(id, given.Attributes)
		}
		return c.createGroup(id, given)
	})
}

// replace serves PUT (RFC 7644 section 3.5.1).
func (s *Server) replace(k *kind) http.HandlerFunc {
	return s.writing(k, http.StatusOK, patch.ReadReplacement, func(c *change, id string, given patch.Full) (resource, error) {
		if k == userKind {
			return c.replaceUser(id, given.Attributes)
		}
		return c.replaceGroup(id, given)
	})
}

// writing reads the resource in the body with read and has fn store it: under the id of the path, or a new one.
func (s *Server) writing(k *kind, status int, read func(value.JSON, patch.Resource) (patch.Full, error), fn func(c *change, id string, given patch.Full) (resource, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, err := read(callOf(r).body, k.patch)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.ignored(r, k, given.Ignored)
		id, named := mux.Vars(r)["id"]
		if !named {
			id = s.NewID()
		}
		var removed ofMembers
		if named && given.HasRows {
			removed = allBut(given.Rows)
		}
		ahead := s.readRemovals(r, id, removed)
		done, err := s.write(r, true, func(c *change) (resource, error) {
			c.ahead = ahead
			again := given // the transaction may run more than once
			again.Attributes = maps.Clone(given.Attributes)
			return fn(c, id, again)
		})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("ETag", etag(done.version))
		if status == http.StatusCreated {
			w.Header().Set("Location", done.location)
		}
		writeJSON(w, status, done.body)
	}
}

// remove serves DELETE (RFC 7644 section 3.6).
func (s *Server) remove(k *kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := mux.Vars(r)["id"]
		err := s.update(r, func(c *change) error {
			if k == userKind {
				return c.deleteUser(id)
			}
			return c.deleteGroup(id)
		})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// ignored tells which attributes of a request had no effect.
func (s *Server) ignored(r *http.Request, k *kind, attributes []string) {
	if len(attributes) > 0 {
		s.Log.Debug("attributes ignored", "request", callOf(r).id, "resource", k.name, "attributes", attributes)
		s.Ignored(callOf(r).idp, k.name, attributes)
	}
}

package scim

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// patch serves PATCH (RFC 7644 section 3.5.2): all operations or none. A user is answered with 200 and the resource, a
// group with 204, unless attributes are asked for.
func (s *Server) patch(k *kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := patch.Parse(callOf(r).body, k.patch)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.ignored(r, k, asked.Ignored)
		id, body := mux.Vars(r)["id"], k == userKind || len(projectionOf(r.URL.Query()).only) > 0
		ahead := s.readRemovals(r, id, s.removedBy(asked.Rows))
		done, err := s.write(r, body, func(c *change) (resource, error) {
			if k == userKind {
				return c.patchUser(id, asked)
			}
			c.ahead = ahead
			return c.patchGroup(id, asked)
		})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("ETag", etag(done.version))
		if !body {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeJSON(w, http.StatusOK, done.body)
	}
}

func (c *change) patchGroup(id string, asked patch.Change) (resource, error) {
	old, err := c.group(id)
	if err != nil {
		return resource{}, err
	}
	next := old
	if len(asked.Attributes) > 0 {
		attrs, err := unmarshalAttributes(old.Attributes)
		if err != nil {
			return resource{}, err
		}
		if _, err := patch.Apply(attrs, asked.Attributes, groupKind.patch); err != nil {
			return resource{}, err
		}
		if next, err = groupFrom(old, attrs); err != nil {
			return resource{}, err
		}
	}
	var net delta
	for _, op := range asked.Rows {
		if err := c.applyRows(old, op, &net); err != nil {
			return resource{}, err
		}
	}
	added, removed := net.net()
	return c.putGroup(old, next, added, removed)
}

// applyRows applies one operation to the rows. Only the forms that speak of members not named read the group.
func (c *change) applyRows(g store.Group, op patch.RowOp, net *delta) error {
	var added, removed []string
	var err error
	switch op.Kind {
	case patch.AddRows:
		added, removed, err = c.addMembers(g.ID, op.Values)
	case patch.RemoveRows:
		removed, err = c.removeMembers(g.ID, op.Values)
	case patch.ReplaceRows:
		return c.replaceMembers(g, op.Values, net)
	case patch.ClearRows:
		removed, err = c.removeChosen(g, allBut(nil))
	case patch.RemoveMatching:
		removed, err = c.removeChosen(g, c.matching(op))
	}
	net.add(added, removed)
	return err
}

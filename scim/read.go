package scim

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/store"
)

// errNotModified ends a read whose result the client has.
var errNotModified = errors.New("not modified")

// get serves one resource. What the client has already (If-None-Match) is answered 304 before members are read.
func (s *Server) get(k *kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, p := mux.Vars(r)["id"], projectionOf(r.URL.Query())
		b, _ := s.buffers.Get().(*bytes.Buffer)
		defer s.buffers.Put(b)
		var version uint64
		read := func(d store.Directory) error {
			b.Reset()
			if k == userKind {
				u, err := d.User(id)
				if err != nil {
					return err
				}
				if version = u.Version; matches(r.Header.Values("If-None-Match"), version) {
					return errNotModified
				}
				return s.renderUser(b, d, u, p)
			}
			g, err := d.Group(id)
			if err != nil {
				return err
			}
			if version = g.Version; matches(r.Header.Values("If-None-Match"), version) {
				return errNotModified
			}
			return s.renderGroup(b, d, g, p)
		}
		release, err := s.lightly(r, func(heavy bool) error {
			return s.Store.View(r.Context(), func(tx store.Tx) error {
				return read(&paced{Directory: tx.Directory(callOf(r).idp), pace: pace{ctx: r.Context(), now: s.Now}, heavy: heavy})
			})
		})
		defer release()
		if err != nil && !errors.Is(err, errNotModified) {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("ETag", etag(version))
		if err != nil {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		writeJSON(w, http.StatusOK, b.Bytes())
	}
}

// matches compares a version with the entity tags of a header, weakly (RFC 9110 section 8.8.3.2): every version is weak.
func matches(header []string, version uint64) bool {
	for _, h := range header {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag(version), "W/") {
				return true
			}
		}
	}
	return false
}

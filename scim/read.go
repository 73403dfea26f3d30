package scim

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/list"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/query"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

// errNotModified ends a read whose result the client has.
var errNotModified = errors.New("not modified")

// get serves one resource. It answers 304 before it reads members if the client has the version
// (If-None-Match).
func (s *Server) get(k *resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, p := mux.Vars(r)["id"], resource.ProjectionOf(r.URL.Query())
		b, _ := s.buffers.Get().(*bytes.Buffer)
		defer s.buffers.Put(b)
		var version uint64
		known := func(v uint64) bool {
			version = v
			return resource.MatchesETag(r.Header.Values("If-None-Match"), v)
		}
		release, err := s.read(r, 0, func(d *list.Reader) error {
			b.Reset()
			return s.renderKind(b, d, k, id, p, known)
		})
		defer release()
		if err != nil && !errors.Is(err, errNotModified) {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("ETag", resource.ETag(version))
		if err != nil {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		message.WriteJSON(w, http.StatusOK, b.Bytes())
	}
}

// renderKind renders a resource unless the client knows its version.
func (s *Server) renderKind(b *bytes.Buffer, d *list.Reader, k *resource.Kind, id string, p resource.Projection, known func(uint64) bool) error {
	if k == resource.Users {
		u, err := d.User(id)
		switch {
		case err != nil:
			return err
		case known(u.Version):
			return errNotModified
		}
		return s.render.WriteUser(b, d, u, p)
	}
	g, err := d.Group(id)
	switch {
	case err != nil:
		return err
	case known(g.Version):
		return errNotModified
	}
	return s.render.WriteGroup(b, d, g, p)
}

// list serves GET on a kind, or on the root with all kinds.
func (s *Server) list(kinds ...*resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := query.FromURL(callOf(r).idp, r.URL.Query(), kinds)
		s.answerList(w, r, q, err)
	}
}

// search serves POST …/.search.
func (s *Server) search(kinds ...*resource.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := query.FromSearch(callOf(r).idp, callOf(r).body, r.URL.Query(), kinds)
		s.answerList(w, r, q, err)
	}
}

func (s *Server) answerList(w http.ResponseWriter, r *http.Request, q query.Query, err error) {
	var body []byte
	if err == nil {
		var release func()
		release, err = s.read(r, s.ScanTime, func(d *list.Reader) (err error) {
			body, err = list.Run(d, s.render, q)
			return err
		})
		defer release()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	message.WriteJSON(w, http.StatusOK, body)
}

// read runs fn over the directory of a request. If the read turns out to be heavy, it waits for a
// turn and runs fn again. The turn ends with release, after the answer was written.
func (s *Server) read(r *http.Request, limit time.Duration, fn func(d *list.Reader) error) (release func(), err error) {
	run := func(heavy bool) error {
		return s.Store.View(r.Context(), func(tx store.Tx) error {
			return fn(list.NewReader(r.Context(), tx.Directory(callOf(r).idp), list.Limits{Now: s.Now, For: limit, Heavy: heavy}))
		})
	}
	release = func() {}
	if err = run(false); !errors.Is(err, list.ErrHeavy) {
		return release, err
	}
	turn, err := s.heavy.Take(r.Context(), callOf(r).idp, 1)
	if err != nil {
		return release, err
	}
	return turn, run(true)
}

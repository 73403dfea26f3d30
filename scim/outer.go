package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/google/uuid"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/ingress"
	"github.com/scimbridge/scimbridge/scim/value"
)

// call is what is known of a request once it is let in.
type call struct {
	id    string // request id
	idp   string
	token string
	body  value.JSON // of the request, checked
	newID string     // of a resource in a POST; "": any
	// The conditions of RFC 9110 section 13.1, checked in the transaction of the change.
	ifMatch, ifNoneMatch []string
}

// RequestID is the X-Request-Id of the answer to a request, for those to whom the server hands one.
func RequestID(r *http.Request) string { return callOf(r).id }

func (c *call) conditions(h http.Header) {
	c.ifMatch, c.ifNoneMatch = h.Values("If-Match"), h.Values("If-None-Match")
}

type callKey struct{}

func callOf(r *http.Request) *call {
	c, ok := r.Context().Value(callKey{}).(*call)
	if !ok {
		return &call{}
	}
	return c
}

// outer wraps everything: no route is reached without a credential.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: uuid.NewString()}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c)) // also a shallow copy: what follows may change it
		method := methodOf(r)
		rec := &recorder{ResponseWriter: w}
		rec.Header().Set("X-Request-Id", c.id)
		defer func() {
			if p := recover(); p != nil {
				s.Log.Error("panic in a request", "request", c.id, "panic", panicked(p), "stack", string(debug.Stack()))
				s.Log.Debug("panic in a request", "request", c.id, "value", fmt.Sprint(p))
				if rec.status == 0 {
					writeError(rec, scimerrors.ScimErrorInternal)
				}
			}
			s.done(r, c, method, rec.status)
		}()
		s.admit(rec, r, c, next)
	})
}

// done counts and logs an answer. Of a flood of wrong credentials every line would say the same.
func (s *Server) done(r *http.Request, c *call, method string, status int) {
	resource := labelOf(r.URL)
	s.Observed(c.idp, method, resource, status)
	visitor := ingress.Of(r)
	level, about := slog.LevelInfo, []any{"request", c.id, "idp", c.idp, "method", method, "resource", resource, "status", status}
	if visitor.Flood {
		level = slog.LevelDebug
	}
	if (status == http.StatusUnauthorized || status == http.StatusForbidden) && visitor.Address.IsValid() {
		about = append(about, "from", visitor.Address)
	}
	s.Log.Log(r.Context(), level, "request", about...)
}

// methodOf is the method where it may be shown: whoever has no credential can send any word as one.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// panicked says what a panic was about as far as it may be shown: the runtime's own texts hold no values but numbers and types.
func panicked(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// admit checks what can be checked before a request is routed.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *call, next http.Handler) {
	if s.Tokens != nil && r.URL.EscapedPath() == auth.TokenPath {
		s.Tokens.ServeHTTP(w, r)
		return
	}
	who, err := s.Auth.Identify(r)
	visitor := ingress.Of(r)
	if err != nil {
		if why := (*auth.Refusal)(nil); s.Rejected != nil && errors.As(err, &why) {
			s.Rejected(r, why)
		}
		visitor.Failed(r.Context())
		for _, challenge := range s.Auth.Challenges() {
			w.Header().Add("WWW-Authenticate", challenge)
		}
		writeError(w, scimerrors.ScimError{Status: http.StatusUnauthorized, Detail: "a valid credential is needed"})
		return
	}
	c.idp, c.token = who.IdP, who.Token
	if err := visitor.Admit(who.IdP); err != nil {
		if why := NotFromThere(err, who); s.Rejected != nil && why != nil {
			s.Rejected(r, why)
		}
		refuse(w, err)
		return
	}
	c.conditions(r.Header)
	s.serve(w, r, next)
}

// NotFromThere is the refusal of a credential that is good, but not from there or without its certificate: somebody may have stolen it.
// It is nil if the ingress says something else.
func NotFromThere(err error, who auth.Identity) *auth.Refusal {
	var refused *ingress.Refusal
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		return nil
	}
	return &auth.Refusal{Why: refused.Detail, IdP: who.IdP, Token: who.Token}
}

// serve is everything but the credential: the requests within a bulk request come this way too.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	path, ok := cleanPath(unbraced(r.URL.EscapedPath()))
	if ok {
		path, ok = scimPath(path)
	}
	if !ok {
		writeError(w, notFound("there is no such endpoint"))
		return
	}
	r.URL.Path, r.URL.RawPath = path, ""
	s.meantAddress(r)
	plusIsLiteral(r)
	if err := readableQuery(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet // net/http sends no body for what came in as HEAD
	}
	next.ServeHTTP(w, r)
}

// plusIsLiteral keeps the + of an address that a client forgot to encode: where blanks are written as %20, a + is none.
func plusIsLiteral(r *http.Request) {
	if strings.Contains(r.URL.RawQuery, "%20") {
		r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "+", "%2B")
	}
}

// labelOf returns what metrics and the log call the resource of an address: the same however the
// path is written.
func labelOf(u *url.URL) string {
	escaped := u.EscapedPath()
	if escaped == auth.TokenPath {
		return "token"
	}
	path, _ := cleanPath(escaped)
	return resourceOf(path)
}

// resourceOf returns the endpoint of a clean path, "" if it is none that has a name of its own.
func resourceOf(path string) string {
	rest, ok := strings.CutPrefix(path, Root+"/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	if name, known := endpointNamed(name); known && name != searchName {
		return name
	}
	return ""
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader gives an answer without a body the media type as well: SCIM-SDK's client takes an
// answer without it for a failure.
func (r *recorder) WriteHeader(status int) {
	if status == http.StatusNoContent && r.Header().Get("Content-Type") == "" {
		r.Header().Set("Content-Type", mediaType)
	}
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

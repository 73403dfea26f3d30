package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/google/uuid"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/ids"
	"github.com/scimbridge/scimbridge/scim/ingress"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/query"
	"github.com/scimbridge/scimbridge/scim/route"
	"github.com/scimbridge/scimbridge/scim/value"
	"github.com/scimbridge/scimbridge/store"
)

// call is what is known of an authenticated request.
type call struct {
	id    string // request id
	idp   string
	token string
	body  value.JSON // of the request, checked
	newID string     // of the resource that a POST of a bulk request creates; "": any
	// The conditions of RFC 9110 section 13.1.
	ifMatch, ifNoneMatch []string
}

// RequestID returns the X-Request-Id of the answer to a request, for functions of Server that get
// the request.
func RequestID(r *http.Request) string { return callOf(r).id }

type callKey struct{}

func callOf(r *http.Request) *call {
	c, ok := r.Context().Value(callKey{}).(*call)
	if !ok {
		return &call{}
	}
	return c
}

// withCall returns a shallow copy of a request, which later steps may change, with its call.
func withCall(r *http.Request, c *call) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c))
}

// middleware wraps all routes. It gives every request an id, recovers panics, and authenticates.
func (s *Server) middleware(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: uuid.NewString()}
		r = withCall(r, c)
		method := methodOf(r)
		tracked := &trackedWriter{ResponseWriter: w}
		tracked.Header().Set("X-Request-Id", c.id)
		defer func() {
			if p := recover(); p != nil {
				s.Log.Error("panic in a request", "request", c.id, "panic", describePanic(p), "stack", string(debug.Stack()))
				s.Log.Debug("panic in a request", "request", c.id, "value", fmt.Sprint(p))
				if tracked.status == 0 {
					message.WriteError(tracked, scimerrors.ScimErrorInternal)
				}
			}
			s.logAnswer(r, c, method, tracked.status)
		}()
		s.authenticate(tracked, r, c, routes)
	})
}

// logAnswer counts and logs an answer. During a flood of wrong credentials it logs at level debug.
func (s *Server) logAnswer(r *http.Request, c *call, method string, status int) {
	label := labelOf(r)
	s.Observed(c.idp, method, label, status)
	visitor := ingress.Of(r)
	level, attrs := slog.LevelInfo, []any{"request", c.id, "idp", c.idp, "method", method, "resource", label, "status", status}
	if visitor.Flood {
		level = slog.LevelDebug
	}
	if (status == http.StatusUnauthorized || status == http.StatusForbidden) && visitor.Address.IsValid() {
		attrs = append(attrs, "from", visitor.Address)
	}
	s.Log.Log(r.Context(), level, "request", attrs...)
}

// methodOf returns the method as the log and the metrics name it. A client without a credential can
// send any word as a method.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// labelOf returns the resource of a request as the log and the metrics name it.
func labelOf(r *http.Request) string {
	escaped := r.URL.EscapedPath()
	if escaped == auth.TokenPath {
		return "token"
	}
	path, _ := route.Clean(escaped)
	return route.Endpoint(path)
}

// describePanic returns what the log may show of a panic. Errors of the runtime hold only numbers
// and types; other values may hold secrets.
func describePanic(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// authenticate identifies the identity provider and applies the limits of the ingress to it.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, c *call, routes http.Handler) {
	if s.Tokens != nil && r.URL.EscapedPath() == auth.TokenPath {
		s.Tokens.ServeHTTP(w, r)
		return
	}
	identity, err := s.Auth.Identify(r)
	visitor := ingress.Of(r)
	if err != nil {
		if why := (*auth.Refusal)(nil); errors.As(err, &why) {
			s.Rejected(r, why)
		}
		visitor.Failed(r.Context())
		for _, challenge := range s.Auth.Challenges() {
			w.Header().Add("WWW-Authenticate", challenge)
		}
		message.WriteError(w, scimerrors.ScimError{Status: http.StatusUnauthorized, Detail: "a valid credential is needed"})
		return
	}
	c.idp, c.token = identity.IdP, identity.Token
	if err := visitor.Admit(identity.IdP); err != nil {
		if why := RefusedOrigin(err, identity); why != nil {
			s.Rejected(r, why)
		}
		refuse(w, err)
		return
	}
	c.ifMatch, c.ifNoneMatch = r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	s.normalize(w, r, routes)
}

// RefusedOrigin returns the refusal of a valid credential that came from another address or without
// its certificate: it may be stolen. It returns nil if the ingress refused for another reason.
func RefusedOrigin(err error, identity auth.Identity) *auth.Refusal {
	var refused *ingress.Refusal
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		return nil
	}
	return &auth.Refusal{Why: refused.Detail, IdP: identity.IdP, Token: identity.Token}
}

// refuse answers a valid credential that the ingress refuses.
func refuse(w http.ResponseWriter, err error) {
	var refused *ingress.Refusal
	if !errors.As(err, &refused) {
		message.WriteError(w, scimerrors.ScimErrorInternal)
		return
	}
	e := scimerrors.ScimError{Status: refused.Status, Detail: refused.Detail}
	switch refused.Status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int(refused.After/time.Second)))
	case http.StatusBadRequest:
		e.ScimType = scimerrors.ScimTypeInvalidValue
	}
	message.WriteError(w, e)
}

// normalize gives path, query and method of a request the form that the routes know. The operations
// of a bulk request pass through it too.
func (s *Server) normalize(w http.ResponseWriter, r *http.Request, routes http.Handler) {
	path, ok := route.Clean(ids.TrimBraces(r.URL.EscapedPath()))
	if ok {
		path, ok = route.Canonical(path)
	}
	if !ok {
		noEndpoint(w)
		return
	}
	r.URL.Path, r.URL.RawPath = path, ""
	s.resolveID(r)
	if err := query.Normalize(r.URL); err != nil {
		s.fail(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet // net/http drops the body of an answer to HEAD
	}
	routes.ServeHTTP(w, r)
}

// resolveID replaces an odd spelling of an id at the end of a path by the id that is meant. It
// leaves an error of the store to the request itself, which meets it too.
func (s *Server) resolveID(r *http.Request) {
	at := strings.LastIndexByte(r.URL.Path, '/') + 1
	if !ids.IsOdd(r.URL.Path[at:]) {
		return
	}
	_ = s.Store.View(r.Context(), func(tx store.Tx) error {
		resolved, _, err := ids.Resolve(tx.Directory(callOf(r).idp), []string{r.URL.Path[at:]})
		if err == nil {
			r.URL.Path = r.URL.Path[:at] + resolved[0]
		}
		return err
	})
}

// fail answers an error, and logs it if the server is its cause.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := message.Fail(w, err)
	if e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests {
		s.Log.Error("request failed", "request", callOf(r).id, "status", e.Status, "error", err)
	}
}

// trackedWriter remembers the status of an answer.
type trackedWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader also gives an answer without a body the media type: SCIM-SDK's client takes an answer
// without it for a failure.
func (w *trackedWriter) WriteHeader(status int) {
	if status == http.StatusNoContent && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", message.MediaType)
	}
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *trackedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

package scim

import (
	"bytes"
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/bulk"
	"github.com/scimbridge/scimbridge/scim/change"
	"github.com/scimbridge/scimbridge/scim/discovery"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/scim/route"
	"github.com/scimbridge/scimbridge/scim/share"
	"github.com/scimbridge/scimbridge/store"
)

// Defaults and limits of a server.
const (
	maxSearchBody     = 256 << 10
	defaultBodyMemory = 256 << 20
	maxHeavyReads     = 4 // at a time: lists that read everything, and answers with many memberships
	defaultScanTime   = 10 * time.Second
)

// Server is the service provider. Its fields are set before Handler is called. Functions may be
// nil.
type Server struct {
	Store     store.Store
	Auth      auth.Verifier
	PublicURL string // for meta.location, with the SCIM root and without a slash at the end
	// Rules are the rules in force; nil: none.
	Rules change.Rules
	// Nudge wakes the worker of a backend for which a committed request left marks.
	Nudge func(backend string)
	// ClearsMembers reports whether a PUT of a group without members empties it.
	ClearsMembers func(idp string) bool
	// PutMembers records a PUT of a group that gives or omits members: see change.Writer.
	PutMembers func(tx store.Tx, idp string, omitted bool, at time.Time) (committed func(), err error)
	// Schemes are the ways to authenticate that discovery lists besides the static tokens of Auth.
	Schemes []discovery.Scheme
	// Tokens serves auth.TokenPath, where clients authenticate in their own way; nil: no endpoint.
	Tokens http.Handler
	// Rejected records a request without a valid credential, or with one that is not accepted from
	// there. It must not block.
	Rejected func(r *http.Request, why *auth.Refusal)
	// Observed counts an answer.
	Observed func(idp, method, resource string, code int)
	// Ignored records the names of attributes that had no effect. A name may hold anything.
	Ignored func(idp, resource string, attributes []string)

	Now   func() time.Time // nil: time.Now
	NewID func() string    // nil: random UUIDs
	Log   *slog.Logger     // nil: no log
	// BodyMemory limits the memory for all bodies of more than maxTrusted bytes; 0: 256 MiB.
	BodyMemory int64
	// ScanTime limits how long a list may read all resources; 0: 10 s.
	ScanTime time.Duration

	buffers *sync.Pool // of answers: the members of a large group take tens of megabytes
	memory  memory
	heavy   *share.Pool // turns for heavy reads
	writer  *change.Writer
	render  resource.Renderer
}

// Handler serves all paths below route.Root and, if there is one, the token endpoint.
func (s Server) Handler() http.Handler {
	s.setDefaults()
	s.memory, s.heavy = newMemory(cmp.Or(s.BodyMemory, defaultBodyMemory)), share.New(maxHeavyReads)
	s.buffers = &sync.Pool{New: func() any { return new(bytes.Buffer) }}
	s.render = resource.Renderer{PublicURL: s.PublicURL}
	s.writer = &change.Writer{Store: s.Store, Rules: s.Rules, Renderer: s.render, Nudge: s.Nudge,
		ClearsMembers: s.ClearsMembers, PutMembers: s.PutMembers, Now: s.Now}
	return s.middleware(s.routes())
}

func (s *Server) setDefaults() {
	if s.Rules == nil {
		s.Rules = noRules{}
	}
	if s.Nudge == nil {
		s.Nudge = func(string) {}
	}
	if s.ClearsMembers == nil {
		s.ClearsMembers = func(string) bool { return false }
	}
	if s.PutMembers == nil {
		s.PutMembers = func(store.Tx, string, bool, time.Time) (func(), error) { return nil, nil }
	}
	if s.Rejected == nil {
		s.Rejected = func(*http.Request, *auth.Refusal) {}
	}
	if s.Observed == nil {
		s.Observed = func(string, string, string, int) {}
	}
	if s.Ignored == nil {
		s.Ignored = func(string, string, []string) {}
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.NewID == nil {
		s.NewID = uuid.NewString
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.ScanTime = cmp.Or(s.ScanTime, defaultScanTime)
}

// noRules are the rules of a server without any.
type noRules struct{}

func (noRules) Targets(string, store.Group) []mapping.Target { return nil }
func (noRules) Conditional() bool                            { return false }
func (noRules) OtherRules(store.Tx) []string                 { return nil }
func (noRules) GroupNamed(store.Tx, string, store.Group, store.Group, store.Origin) error {
	return nil
}

func (s *Server) routes() *mux.Router {
	r := mux.NewRouter().SkipClean(true) // normalize cleans the path
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { noEndpoint(w) })
	r.MethodNotAllowedHandler = http.HandlerFunc(methodNotAllowed)
	get := func(path string, h http.HandlerFunc) { r.HandleFunc(route.Root+path, h).Methods("GET") }
	with := func(method, path string, limit int64, h http.HandlerFunc) {
		r.Handle(route.Root+path, s.withBody(limit, h)).Methods(method)
	}
	for _, k := range resource.Kinds() {
		with("POST", k.Endpoint, k.MaxBody, s.create(k))
		get(k.Endpoint, s.list(k))
		with("POST", k.Endpoint+"/"+route.Search, maxSearchBody, s.search(k))
		with("PUT", k.Endpoint+"/{id}", k.MaxBody, s.replace(k))
		with("PATCH", k.Endpoint+"/{id}", k.MaxBody, s.patch(k))
		get(k.Endpoint+"/{id}", s.get(k))
		r.HandleFunc(route.Root+k.Endpoint+"/{id}", s.delete(k)).Methods("DELETE")
	}
	get("", s.list(resource.Kinds()...))
	with("POST", "/"+route.Search, maxSearchBody, s.search(resource.Kinds()...))
	with("POST", "/Bulk", bulk.MaxBody, s.bulk(r))
	discovery.Server{PublicURL: s.PublicURL, StaticTokens: len(s.Auth.Credentials) > 0, Schemes: s.Schemes}.Register(r)
	return r
}

func noEndpoint(w http.ResponseWriter) {
	message.WriteError(w, message.NotFound("there is no such endpoint"))
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allow := "GET, HEAD"
	path := strings.TrimPrefix(r.URL.Path, route.Root)
	users, groups := resource.Users.Endpoint, resource.Groups.Endpoint
	switch {
	case path == users || path == groups:
		allow = "GET, HEAD, POST"
	case path == "/Bulk" || route.IsSearch(path):
		allow = "POST"
	case strings.HasPrefix(path, users+"/"), strings.HasPrefix(path, groups+"/"):
		allow = "GET, HEAD, PUT, PATCH, DELETE"
	}
	w.Header().Set("Allow", allow)
	message.WriteError(w, scimerrors.ScimError{Status: http.StatusMethodNotAllowed, Detail: "the method is not allowed here"})
}

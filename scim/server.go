package scim

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
)

// Root is where SCIM is served.
const Root = "/scim/v2"

// Limits of requests (design, section 3). All but the page sizes are in bytes or counts of one request.
const (
	maxUserBody   = 256 << 10
	maxGroupBody  = 16 << 20
	maxSearchBody = 256 << 10
	maxDiscard    = 64 << 20 // read and thrown away so that the answer "too large" arrives
	maxPage       = 200
	defaultPage   = 100
	sweepAbove    = 1000 // more people than this are marked as one: the worker takes it apart
)

// Target is a backend's group or role in which membership of a group counts.
type Target struct{ Backend, Target string }

// Server is the service provider. Its fields are set before Handler is called.
type Server struct {
	Store     store.Store
	Auth      auth.Verifier
	PublicURL string // for meta.location, with the SCIM root and without a slash at the end
	// Targets says where membership of a group counts; nil: nowhere.
	Targets func(idp string, g store.Group) []Target
	// Conditional says whether rules depend on more of a user than the groups: every change of a user is marked then.
	Conditional func() bool
	// Named is told, in the transaction that does it, of a group that is new (old is zero) or has another displayName; nil: nobody.
	Named func(tx store.Tx, idp string, old, g store.Group, by store.Origin) error
	// Elsewhere lists the backends for which other rules are in force than those that Targets goes by, as happens while replicas
	// are given new rules one after the other, and in one process until a reload has reached the worker: there a change is marked
	// wherever it may count; nil: none.
	Elsewhere func(tx store.Tx) []string
	// Nudge is told of backends for which a committed request left marks; nil: nobody.
	Nudge func(backend string)
	// Schemes are the ways to authenticate that discovery lists besides the static tokens of Auth.
	Schemes []Scheme
	// Tokens serves auth.TokenPath, where callers authenticate in their own way; nil: nothing is there.
	Tokens http.Handler
	// Rejected is told of every request without a valid credential, or with one that is not good from there; it must not take long. nil:
	// nobody is.
	Rejected func(r *http.Request, why *auth.Refusal)
	// Observed counts answers; nil: nobody does.
	Observed func(idp, method, resource string, code int)
	// Ignored notes the names of attributes of a request that have no effect, which may hold
	// anything; nil: nothing does.
	Ignored func(idp, resource string, attributes []string)
	// ClearsMembers says whether a PUT of a group that leaves its members out empties it; nil: it
	// never does.
	ClearsMembers func(idp string) bool
	// PutMembers notes, in its transaction, a PUT of a group that gives members, or leaves them out
	// (omitted) although the group has some, which stay. What it returns runs after the commit,
	// unless it is nil. nil: nothing is noted.
	PutMembers func(tx store.Tx, idp string, omitted bool, at time.Time) (committed func(), err error)

	Now   func() time.Time // nil: time.Now
	NewID func() string    // nil: random UUIDs
	Log   *slog.Logger     // nil: nothing is logged
	// BodyMemory bounds what bodies of more than maxTrusted bytes take at a time; 0: 256 MiB.
	BodyMemory int64
	// ScanTime bounds how long a list may read everything that there is; 0: 10 s.
	ScanTime time.Duration

	// buffers hold answers while they are written: the list of a large group takes tens of megabytes.
	buffers *sync.Pool
	memory  memory
	heavy   *shares // turns of reads that take much time or memory
}

// Handler serves everything under Root, the token endpoint if there is one, and nothing else.
func (s Server) Handler() http.Handler {
	if s.Targets == nil {
		s.Targets = func(string, store.Group) []Target { return nil }
	}
	if s.Conditional == nil {
		s.Conditional = func() bool { return false }
	}
	if s.Named == nil {
		s.Named = func(store.Tx, string, store.Group, store.Group, store.Origin) error { return nil }
	}
	if s.Elsewhere == nil {
		s.Elsewhere = func(store.Tx) []string { return nil }
	}
	if s.Nudge == nil {
		s.Nudge = func(string) {}
	}
	if s.Observed == nil {
		s.Observed = func(string, string, string, int) {}
	}
	if s.Ignored == nil {
		s.Ignored = func(string, string, []string) {}
	}
	if s.ClearsMembers == nil {
		s.ClearsMembers = func(string) bool { return false }
	}
	if s.PutMembers == nil {
		s.PutMembers = func(store.Tx, string, bool, time.Time) (func(), error) { return nil, nil }
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
	if s.ScanTime == 0 {
		s.ScanTime = defaultScanTime
	}
	s.memory, s.heavy = newMemory(s.BodyMemory), newShares(maxHeavy)
	s.buffers = &sync.Pool{New: func() any { return new(bytes.Buffer) }}
	return s.outer(s.routes())
}

func (s *Server) routes() *mux.Router {
	r := mux.NewRouter().SkipClean(true) // the path is clean: see cleanPath
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, notFound("there is no such endpoint"))
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(methodNotAllowed)
	get := func(path string, h http.HandlerFunc) { r.HandleFunc(Root+path, h).Methods("GET") }
	with := func(method, path string, limit int64, h http.Handler) {
		r.Handle(Root+path, s.withBody(limit, h)).Methods(method)
	}
	for _, k := range []*kind{userKind, groupKind} {
		with("POST", k.endpoint, k.maxBody, s.create(k))
		get(k.endpoint, s.list(k))
		with("POST", k.endpoint+"/.search", maxSearchBody, s.search(k))
		with("PUT", k.endpoint+"/{id}", k.maxBody, s.replace(k))
		with("PATCH", k.endpoint+"/{id}", k.maxBody, s.patch(k))
		get(k.endpoint+"/{id}", s.get(k))
		r.HandleFunc(Root+k.endpoint+"/{id}", s.remove(k)).Methods("DELETE")
	}
	get("", s.list(userKind, groupKind))
	with("POST", "/.search", maxSearchBody, s.search(userKind, groupKind))
	with("POST", "/Bulk", maxBulkBody, s.bulk(http.HandlerFunc(func(w http.ResponseWriter, inner *http.Request) { s.serve(w, inner, r) })))
	s.discovery(r)
	return r
}

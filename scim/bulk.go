package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// Limits of a bulk request, as ServiceProviderConfig says.
const (
	maxBulkBody       = 4 << 20
	maxBulkOperations = 1000
)

// bulkResult is the outcome of one operation.
type bulkResult struct {
	Method   string          `json:"method"`
	BulkID   string          `json:"bulkId,omitempty"`
	Version  string          `json:"version,omitempty"`
	Location string          `json:"location,omitempty"`
	Status   string          `json:"status"`
	Response json.RawMessage `json:"response,omitempty"`
	id       string          // of what was created
}

// bulk is a bulk request at work. Each operation is a request to the same routes, in order, but for one that refers to
// something created later: that comes first. Each is durable by itself; none depends on another but through its bulkId.
type bulk struct {
	next      http.Handler
	r         *http.Request
	newID     func() string
	public    string
	ops       []bulkOperation
	failAfter int // errors; 0: never
	errors    int
	posts     map[string]int // bulkId -> operation
	ids       map[int]string // what operations under way will create
	results   []*bulkResult  // nil: not begun
}

func (s *Server) bulk(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b := &bulk{next: next, r: r, newID: s.NewID, public: s.PublicURL, posts: map[string]int{}, ids: map[int]string{}}
		if err := b.read(callOf(r).body); err != nil {
			s.fail(w, r, err)
			return
		}
		b.results = make([]*bulkResult, len(b.ops))
		for i := range b.ops {
			b.run(i)
		}
		answer := struct {
			Schemas    []string      `json:"schemas"`
			Operations []*bulkResult `json:"Operations"`
		}{Schemas: []string{"urn:ietf:params:scim:api:messages:2.0:BulkResponse"}, Operations: []*bulkResult{}}
		for _, res := range b.results {
			if res != nil {
				answer.Operations = append(answer.Operations, res)
			}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, body)
	}
}

// reference is a mention of something that another operation creates: a whole JSON string, or a
// value in a filter, in quotes of either kind or in none. Many clients write other characters than
// ASCII, and some of ASCII, as \u and four digits.
var reference = regexp.MustCompile(`"bulkId:((?:[^"\\]|\\u[0-9A-Fa-f]{4})+)(\\?")|((?i: eq +)'?)bulkId:((?:[^ '"()\[\]\\]|\\u[0-9A-Fa-f]{4})+)`)

// run does one operation, after those that create what it refers to.
func (b *bulk) run(i int) {
	if b.results[i] != nil || b.failAfter > 0 && b.errors >= b.failAfter {
		return
	}
	op := &b.ops[i]
	res := &bulkResult{Method: op.method, BulkID: op.bulkID}
	b.results[i] = res
	if err := b.check(op); err != nil {
		b.fail(res, err)
		return
	}
	if op.method == http.MethodPost {
		b.ids[i] = b.newID()
	}
	if err := b.resolve(op); err != nil {
		b.fail(res, err)
		return
	}
	if b.failAfter > 0 && b.errors >= b.failAfter { // a prerequisite was one error too many
		b.results[i] = nil
		return
	}
	b.dispatch(i, op, res)
}

// resolve puts the ids of what is created in the place of references.
func (b *bulk) resolve(op *bulkOperation) error {
	var failed error
	id := func(member, name string) string {
		j, known := b.posts[name]
		if !known {
			failed = badValue(op.name + member + ": refers to a bulkId that no POST of the request has")
			return ""
		}
		b.run(j)
		switch res := b.results[j]; {
		case res != nil && res.id != "":
			return res.id
		case res != nil && res.Status == "" && b.ids[j] != "": // under way: the two refer to each other
			return b.ids[j]
		}
		failed = scimerrors.ScimError{Status: http.StatusConflict, Detail: op.name + member + ": refers to a resource that was not created"}
		return ""
	}
	op.data = reference.ReplaceAllFunc(op.data, func(m []byte) []byte {
		part := reference.FindSubmatch(m)
		opening, mention, closing := []byte{'"'}, part[1], part[2]
		if len(part[4]) > 0 {
			opening, mention, closing = part[3], part[4], nil
		}
		var name string
		_ = json.Unmarshal(slices.Concat([]byte{'"'}, mention, []byte{'"'}), &name) // it is a valid string
		return slices.Concat(opening, []byte(id(".data", name)), closing)
	})
	if op.reference != "" {
		op.target += "/" + id(".path", b.nameOf(op))
	}
	return failed
}

// dispatch sends the operation to the routes.
func (b *bulk) dispatch(i int, op *bulkOperation, res *bulkResult) {
	outer := callOf(b.r)
	c := &call{id: outer.id, idp: outer.idp, token: outer.token, newID: b.ids[i], body: value.JSON(op.data)}
	if op.version != "" {
		c.ifMatch = []string{op.version}
	}
	r := b.r.Clone(context.WithValue(b.r.Context(), callKey{}, c))
	r.Method, r.URL, r.RequestURI = op.method, &url.URL{Path: op.target, RawQuery: op.query}, ""
	r.Body, r.ContentLength = http.NoBody, 0
	for _, h := range []string{"If-Match", "If-None-Match"} {
		r.Header.Del(h)
	}
	a := &buffered{header: http.Header{}}
	b.next.ServeHTTP(a, r)
	res.Status, res.Version = strconv.Itoa(a.status), a.header.Get("ETag")
	switch {
	case a.status >= 300:
		b.errors++
		res.Version, res.Response = "", a.body.Bytes()
	case op.method == http.MethodPost:
		res.Location = a.header.Get("Location")
		res.id = res.Location[strings.LastIndexByte(res.Location, '/')+1:]
	}
	if op.method != http.MethodPost {
		res.Location = b.public + strings.TrimPrefix(r.URL.Path, Root) // as the request was understood
	}
}

func (b *bulk) fail(res *bulkResult, err error) {
	a := &buffered{header: http.Header{}}
	writeError(a, toSCIM(err))
	b.errors++
	res.Status, res.Response = strconv.Itoa(a.status), a.body.Bytes()
}

// buffered keeps an answer.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header { return b.header }

func (b *buffered) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffered) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

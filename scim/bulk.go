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

// bulkOperation is one request within a bulk request (RFC 7644 section 3.7).
type bulkOperation struct {
	Method  string          `json:"method"`
	BulkID  string          `json:"bulkId"`
	Version string          `json:"version"`
	Path    string          `json:"path"`
	Data    json.RawMessage `json:"data"`
}

// bulkResult is its outcome.
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

func (b *bulk) read(body []byte) error {
	bad := func(detail string) error {
		return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
	}
	var asked struct {
		Schemas      []string
		FailOnErrors *int
		Operations   []bulkOperation
	}
	const urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	switch err := json.Unmarshal(body, &asked); {
	case err != nil:
		return bad("the body is not a bulk request")
	case len(asked.Schemas) != 1 || !strings.EqualFold(asked.Schemas[0], urn):
		return bad("the schemas of the body are not " + urn)
	case len(asked.Operations) == 0:
		return bad("the body has no Operations")
	case len(asked.Operations) > maxBulkOperations:
		return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: "the request has more than the " + strconv.Itoa(maxBulkOperations) + " operations that are allowed"}
	case asked.FailOnErrors != nil && *asked.FailOnErrors < 1:
		return badValue("failOnErrors is not a positive number")
	case asked.FailOnErrors != nil:
		b.failAfter = *asked.FailOnErrors
	}
	b.ops, b.results = asked.Operations, make([]*bulkResult, len(asked.Operations))
	for i, op := range b.ops {
		if op.BulkID == "" || !strings.EqualFold(op.Method, http.MethodPost) {
			continue
		}
		if _, twice := b.posts[op.BulkID]; twice {
			return badValue("a bulkId is given to two operations")
		}
		b.posts[op.BulkID] = i
	}
	return nil
}

// reference is a mention of something that another operation creates: a whole JSON string, also one in a filter. Many clients write
// whatever is not ASCII, and some of what is, as \u and four digits.
var reference = regexp.MustCompile(`"bulkId:((?:[^"\\]|\\u[0-9A-Fa-f]{4})+)(\\?")`)

const referencePrefix = "bulkId:"

// run does one operation, after those that create what it refers to.
func (b *bulk) run(i int) {
	if b.results[i] != nil || b.failAfter > 0 && b.errors >= b.failAfter {
		return
	}
	op := &b.ops[i]
	op.Method = strings.ToUpper(op.Method)
	res := &bulkResult{Method: op.Method, BulkID: op.BulkID}
	b.results[i] = res
	if err := op.check(); err != nil {
		b.fail(res, err)
		return
	}
	if op.Method == http.MethodPost {
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

func (op *bulkOperation) check() error {
	path, _, _ := strings.Cut(op.Path, "?")
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	resource := len(parts) == 2 && parts[1] != "" && !strings.HasPrefix(parts[1], ".")
	switch op.Method {
	case http.MethodPost:
		if op.BulkID == "" || strings.ContainsAny(op.BulkID, "\"\\") {
			return badValue("a POST needs a bulkId, without quotes and backslashes")
		}
		resource = len(parts) == 1
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return badValue("the method is none of POST, PUT, PATCH and DELETE")
	}
	if !resource || "/"+parts[0] != userKind.endpoint && "/"+parts[0] != groupKind.endpoint {
		return notFound("the path is not one that the method has in a bulk request")
	}
	if op.Method != http.MethodDelete && len(op.Data) == 0 {
		return badValue("the operation has no data")
	}
	return nil
}

// resolve puts the ids of what is created in the place of references.
func (b *bulk) resolve(op *bulkOperation) error {
	var failed error
	id := func(name string) string {
		j, known := b.posts[name]
		if !known {
			failed = badValue("there is no bulkId " + strconv.Quote(name[:min(len(name), 60)]) + " in the request")
			return ""
		}
		b.run(j)
		switch res := b.results[j]; {
		case res != nil && res.id != "":
			return res.id
		case res != nil && res.Status == "" && b.ids[j] != "": // under way: the two refer to each other
			return b.ids[j]
		}
		failed = scimerrors.ScimError{Status: http.StatusConflict, Detail: "what the operation refers to was not created"}
		return ""
	}
	op.Data = reference.ReplaceAllFunc(op.Data, func(m []byte) []byte {
		part := reference.FindSubmatch(m)
		var name string
		_ = json.Unmarshal(slices.Concat([]byte{'"'}, part[1], []byte{'"'}), &name) // it is a valid string
		return slices.Concat([]byte{'"'}, []byte(id(name)), part[2])
	})
	if head, name, ok := strings.Cut(op.Path, referencePrefix); ok {
		op.Path = head + id(name)
	}
	return failed
}

// dispatch sends the operation to the routes.
func (b *bulk) dispatch(i int, op *bulkOperation, res *bulkResult) {
	outer := callOf(b.r)
	c := &call{id: outer.id, idp: outer.idp, token: outer.token, newID: b.ids[i], body: value.JSON(op.Data)}
	if op.Version != "" {
		c.ifMatch = []string{op.Version}
	}
	target, err := url.ParseRequestURI(Root + op.Path) // where a # is no end
	if err != nil {
		b.fail(res, notFound("the path cannot be read"))
		return
	}
	r := b.r.Clone(context.WithValue(b.r.Context(), callKey{}, c))
	r.Method, r.URL, r.RequestURI = op.Method, target, ""
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
	case op.Method == http.MethodPost:
		res.Location = a.header.Get("Location")
		res.id = res.Location[strings.LastIndexByte(res.Location, '/')+1:]
	}
	if op.Method != http.MethodPost {
		res.Location = b.public + target.Path[len(Root):]
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

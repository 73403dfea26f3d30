package bulk

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/route"
	"github.com/scimbridge/scimbridge/scim/value"
)

// Limits of a bulk request, as ServiceProviderConfig says.
const (
	MaxBody       = 4 << 20 // bytes
	MaxOperations = 1000
)

// Server is the server to which a bulk request was sent.
type Server struct {
	PublicURL string // with the SCIM root and without a slash at the end
	Host      string // of the request
	NewID     func() string
	// Serve executes one operation and returns its path as the routes understood it.
	Serve func(w http.ResponseWriter, op Operation) (path string)
}

// Operation is one request for the routes.
type Operation struct {
	Method, Path, Query string
	IfMatch             string // "" for none
	NewID               string // of the resource that a POST creates
	Data                value.JSON
}

// result is the outcome of one operation.
type result struct {
	Method   string          `json:"method"`
	BulkID   string          `json:"bulkId,omitempty"`
	Version  string          `json:"version,omitempty"`
	Location string          `json:"location,omitempty"`
	Status   string          `json:"status"`
	Response json.RawMessage `json:"response,omitempty"`
	id       string          // of what was created
}

// run is a bulk request being executed. Each operation is durable by itself. One that refers to
// something created later comes after it.
type run struct {
	Server
	ops       []operation
	failAfter int // errors; 0: never
	errors    int
	posts     map[string]int // bulkId -> operation
	ids       map[int]string // what operations in progress will create
	results   []*result      // nil: not begun
}

// Run executes a bulk request and returns the BulkResponse.
func Run(s Server, body value.JSON) ([]byte, error) {
	b := &run{Server: s, posts: map[string]int{}, ids: map[int]string{}}
	if err := b.read(body); err != nil {
		return nil, err
	}
	b.results = make([]*result, len(b.ops))
	for i := range b.ops {
		b.execute(i)
	}
	answer := struct {
		Schemas    []string  `json:"schemas"`
		Operations []*result `json:"Operations"`
	}{Schemas: []string{"urn:ietf:params:scim:api:messages:2.0:BulkResponse"}, Operations: []*result{}}
	for _, res := range b.results {
		if res != nil {
			answer.Operations = append(answer.Operations, res)
		}
	}
	return json.Marshal(answer)
}

// over reports whether there were as many errors as the client accepts.
func (b *run) over() bool { return b.failAfter > 0 && b.errors >= b.failAfter }

// execute executes one operation, after those that create what it refers to.
func (b *run) execute(i int) {
	if b.results[i] != nil || b.over() {
		return
	}
	op := &b.ops[i]
	res := &result{Method: op.method, BulkID: op.bulkID}
	b.results[i] = res
	if err := b.check(op); err != nil {
		b.fail(res, err)
		return
	}
	if op.method == http.MethodPost {
		b.ids[i] = b.NewID()
	}
	if err := b.resolve(op); err != nil {
		b.fail(res, err)
		return
	}
	if b.over() { // a prerequisite was one error too many
		b.results[i] = nil
		return
	}
	b.dispatch(i, op, res)
}

// resolve replaces references by the ids of what other operations create.
func (b *run) resolve(op *operation) error {
	var failed error
	id := func(member, name string) string {
		j, known := b.posts[name]
		if !known {
			failed = message.InvalidValue(op.name + member + ": refers to a bulkId that no POST of the request has")
			return ""
		}
		b.execute(j)
		switch res := b.results[j]; {
		case res != nil && res.id != "":
			return res.id
		case res != nil && res.Status == "" && b.ids[j] != "": // in progress: the two refer to each other
			return b.ids[j]
		}
		failed = scimerrors.ScimError{Status: http.StatusConflict, Detail: op.name + member + ": refers to a resource that was not created"}
		return ""
	}
	op.data = replaceReferences(op.data, func(name string) string { return id(".data", name) })
	if op.reference != "" {
		op.target += "/" + id(".path", b.referenceOf(op))
	}
	return failed
}

// dispatch sends the operation to the routes.
func (b *run) dispatch(i int, op *operation, res *result) {
	a := &bufferedAnswer{header: http.Header{}}
	path := b.Serve(a, Operation{Method: op.method, Path: op.target, Query: op.query, IfMatch: op.version, NewID: b.ids[i], Data: op.data})
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
		res.Location = b.PublicURL + strings.TrimPrefix(path, route.Root)
	}
}

func (b *run) fail(res *result, err error) {
	a := &bufferedAnswer{header: http.Header{}}
	message.WriteError(a, message.ErrorFor(err))
	b.errors++
	res.Status, res.Response = strconv.Itoa(a.status), a.body.Bytes()
}

// bufferedAnswer keeps an answer.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers of the answer.
func (b *bufferedAnswer) Header() http.Header { return b.header }

// WriteHeader keeps the first status.
func (b *bufferedAnswer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

// Write adds to the body.
func (b *bufferedAnswer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

package bulk

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/scim/ids"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/scim/route"
	"github.com/scimbridge/scimbridge/scim/value"
)

// operation is one operation of a bulk request, as it was sent.
type operation struct {
	name                          string // of the operation in the body, for errors
	method, bulkID, version, path string
	data                          value.JSON
	// Set by check:
	target, query string
	reference     string // the bulkId of a resource below target, and what follows it; "" for none
}

// read reads a bulk request. Its schemas are not checked.
func (b *run) read(body value.JSON) error {
	given := body.Pick("Operations", "failOnErrors")
	list, err := message.List("Operations", given[0])
	if err != nil {
		return err
	}
	switch n := list.Count(MaxOperations + 1); {
	case n == 0:
		return message.InvalidSyntax("Operations: a bulk request needs at least one operation")
	case n > MaxOperations:
		return message.TooLarge("Operations: more than the " + strconv.Itoa(MaxOperations) + " operations that are allowed")
	}
	if b.failAfter, err = failOnErrors(given[1]); err != nil {
		return err
	}
	return list.Each(func(i int, one value.JSON) error {
		op, err := readOperation(fmt.Sprintf("Operations[%d]", i), one)
		if err != nil {
			return err
		}
		if op.bulkID != "" && op.method == http.MethodPost {
			if first, twice := b.posts[op.bulkID]; twice {
				return message.InvalidValue(fmt.Sprintf("%s.bulkId: the same as that of Operations[%d]", op.name, first))
			}
			b.posts[op.bulkID] = i
		}
		b.ops = append(b.ops, op)
		return nil
	})
}

// failOnErrors returns after how many errors a bulk request ends. Some clients send 0 for "never".
func failOnErrors(raw value.JSON) (int, error) {
	text, err := message.Scalar("failOnErrors", "a number", raw)
	if text = strings.TrimSpace(text); err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, message.InvalidValue("failOnErrors: expected a positive whole number")
	}
	return n, nil
}

func readOperation(name string, given value.JSON) (op operation, err error) {
	if !given.IsObject() {
		return op, message.WrongType(name, "an object", given)
	}
	members := given.Pick("method", "path", "bulkId", "version", "data")
	op.name, op.data = name, members[4]
	if op.method, err = message.Text(name+".method", members[0]); err != nil {
		return op, err
	}
	if op.path, err = message.Text(name+".path", members[1]); err != nil {
		return op, err
	}
	if op.bulkID, err = message.Scalar(name+".bulkId", "a string", members[2]); err != nil {
		return op, err
	}
	if op.version, err = message.Text(name+".version", members[3]); err != nil {
		return op, err
	}
	op.method, op.path = strings.ToUpper(strings.TrimSpace(op.method)), strings.TrimSpace(op.path)
	return op, nil
}

// check refuses an operation that cannot be dispatched. It gives the data and the path the form that
// the routes know.
func (b *run) check(op *operation) error {
	switch op.method {
	case http.MethodPost:
		if op.bulkID == "" || strings.ContainsAny(op.bulkID, "\"\\") {
			return message.InvalidValue(op.name + ".bulkId: a POST needs one, without quotes and backslashes")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return message.InvalidValue(op.name + ".method: expected POST, PUT, PATCH or DELETE")
	}
	if !b.locate(op) {
		return message.NotFound(op.name + ".path: expected /Users or /Groups of this server for a POST, and one resource below it for any other method")
	}
	return op.shapeData()
}

// locate reads the path of an operation: with or without its first slash, with the SCIM root in
// front, or as a URL of this server, which is what meta.location holds.
func (b *run) locate(op *operation) bool {
	path := op.path
	if m := pathReference.FindStringSubmatch(path); m != nil {
		path, op.reference = m[1], m[2]
	} else {
		path, op.query, _ = strings.Cut(path, "?")
	}
	path, absolute, ok := b.ownPath(path)
	if !ok {
		return false
	}
	if path, ok = route.Clean(ids.TrimBraces("/" + path)); !ok {
		return false
	}
	if path, ok = belowRoot(path, b.base()); !ok && absolute {
		return false
	}
	if op.target, ok = route.Canonical(route.Root + path); !ok {
		return false
	}
	parts := strings.Split(strings.TrimPrefix(op.target, route.Root+"/"), "/")
	if kind := "/" + parts[0]; kind != resource.Users.Endpoint && kind != resource.Groups.Endpoint {
		return false
	}
	if op.method == http.MethodPost || op.reference != "" {
		return len(parts) == 1 && (op.method != http.MethodPost || op.reference == "")
	}
	return len(parts) == 2 && !strings.HasPrefix(parts[1], ".")
}

// ownPath returns the path of a URL of this server. It returns a text that is no URL as it is.
func (b *run) ownPath(text string) (path string, absolute, ok bool) {
	scheme, rest, absolute := strings.Cut(text, "://")
	if !absolute {
		return text, false, true
	}
	scheme = strings.ToLower(scheme)
	host, path, _ := strings.Cut(rest, "/")
	public, _ := url.Parse(b.PublicURL) // the server was started with it
	own := public != nil && scheme == public.Scheme && sameHost(scheme, host, public.Host)
	requested := (scheme == "http" || scheme == "https") && sameHost(scheme, host, b.Host)
	return path, true, own || requested
}

// sameHost compares hosts, each with or without the port that a scheme has by default.
func sameHost(scheme, a, b string) bool {
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// base returns the path of the server as clients see it. Behind a proxy it differs from [route.Root].
func (b *run) base() string {
	_, rest, _ := strings.Cut(b.PublicURL, "://")
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

// belowRoot removes the SCIM root, or the path that a proxy has for it, from the start of a path.
func belowRoot(path, base string) (string, bool) {
	for _, root := range [...]string{route.Root, strings.TrimSuffix(base, "/")} {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return rest, true
		}
	}
	return path, false
}

// shapeData completes the data of a PATCH that holds only the operations: a list (as in the example of
// RFC 7644 section 3.7.3) or a single one.
func (op *operation) shapeData() error {
	if op.method == http.MethodDelete {
		return nil
	}
	switch patch := op.method == http.MethodPatch; {
	case patch && op.data.IsList():
		op.data = slices.Concat([]byte(`{"Operations":`), op.data, []byte(`}`))
	case patch && op.data.IsObject():
		if members := op.data.Pick("op", "Operations"); message.Given(members[0]) && members[1] == nil {
			op.data = slices.Concat([]byte(`{"Operations":[`), op.data, []byte(`]}`))
		}
	case patch:
		return message.WrongType(op.name+".data", "an object or a list of operations", op.data)
	case !op.data.IsObject():
		return message.WrongType(op.name+".data", "an object", op.data)
	}
	return nil
}

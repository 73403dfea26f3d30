package scim

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// bulkOperation is one request within a bulk request (RFC 7644 section 3.7).
type bulkOperation struct {
	name                          string // of the operation in the body, for errors
	method, bulkID, version, path string
	data                          value.JSON
	// Where it goes, once check has read the path.
	target, query string
	reference     string // the bulkId of a resource below target, and what follows it; "": none
}

// read reads a bulk request. Its schemas are advice.
func (b *bulk) read(body value.JSON) error {
	asked := body.Pick("Operations", "failOnErrors")
	list, err := listMember("Operations", asked[0])
	if err != nil {
		return err
	}
	switch n := list.Count(maxBulkOperations + 1); {
	case n == 0:
		return badMessage("Operations: a bulk request needs at least one operation")
	case n > maxBulkOperations:
		return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: "Operations: more than the " + strconv.Itoa(maxBulkOperations) + " operations that are allowed"}
	}
	if b.failAfter, err = failOnErrors(asked[1]); err != nil {
		return err
	}
	return list.Each(func(i int, one value.JSON) error {
		op, err := readOperation(fmt.Sprintf("Operations[%d]", i), one)
		if err != nil {
			return err
		}
		if op.bulkID != "" && op.method == http.MethodPost {
			if first, twice := b.posts[op.bulkID]; twice {
				return badValue(fmt.Sprintf("%s.bulkId: the same as that of Operations[%d]", op.name, first))
			}
			b.posts[op.bulkID] = i
		}
		b.ops = append(b.ops, op)
		return nil
	})
}

// failOnErrors reads after how many errors a bulk request ends; 0, which some clients send for
// "never", is as absent.
func failOnErrors(raw value.JSON) (int, error) {
	text, err := scalarMember("failOnErrors", "a number", raw)
	if text = strings.TrimSpace(text); err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badValue("failOnErrors: expected a positive whole number")
	}
	return n, nil
}

func readOperation(name string, given value.JSON) (op bulkOperation, err error) {
	if !given.IsObject() {
		return op, wrongType(name, "an object", given)
	}
	asked := given.Pick("method", "path", "bulkId", "version", "data")
	op.name, op.data = name, asked[4]
	if op.method, err = textMember(name+".method", asked[0]); err != nil {
		return op, err
	}
	if op.path, err = textMember(name+".path", asked[1]); err != nil {
		return op, err
	}
	if op.bulkID, err = scalarMember(name+".bulkId", "a string", asked[2]); err != nil {
		return op, err
	}
	if op.version, err = textMember(name+".version", asked[3]); err != nil {
		return op, err
	}
	op.method, op.path = strings.ToUpper(strings.TrimSpace(op.method)), strings.TrimSpace(op.path)
	return op, nil
}

// check refuses an operation that cannot be dispatched, and gives its data and its path the form
// that the routes know.
func (b *bulk) check(op *bulkOperation) error {
	switch op.method {
	case http.MethodPost:
		if op.bulkID == "" || strings.ContainsAny(op.bulkID, "\"\\") {
			return badValue(op.name + ".bulkId: a POST needs one, without quotes and backslashes")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return badValue(op.name + ".method: expected POST, PUT, PATCH or DELETE")
	}
	if !b.locate(op) {
		return notFound(op.name + ".path: expected /Users or /Groups of this server for a POST, and one resource below it for any other method")
	}
	return op.shapeData()
}

// pathReference is a path that ends in a reference, with what stands before the bulkId.
var pathReference = regexp.MustCompile(`(?s)^([^?]*/)bulkId(?::|%3[Aa])(.+)$`)

// locate reads the path of an operation: with or without its first slash, with the SCIM root in
// front, or as a URL of this server, which is what meta.location holds.
func (b *bulk) locate(op *bulkOperation) bool {
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
	if path, ok = cleanPath(unbraced("/" + path)); !ok {
		return false
	}
	if path, ok = belowRoot(path, b.base()); !ok && absolute {
		return false
	}
	if op.target, ok = scimPath(Root + path); !ok {
		return false
	}
	parts := strings.Split(strings.TrimPrefix(op.target, Root+"/"), "/")
	if kind := "/" + parts[0]; kind != userKind.endpoint && kind != groupKind.endpoint {
		return false
	}
	if op.method == http.MethodPost || op.reference != "" {
		return len(parts) == 1 && (op.method != http.MethodPost || op.reference == "")
	}
	return len(parts) == 2 && !strings.HasPrefix(parts[1], ".")
}

// ownPath returns the path of a URL, if it is one of this server, and any other path as it is.
func (b *bulk) ownPath(text string) (path string, absolute, ok bool) {
	scheme, rest, absolute := strings.Cut(text, "://")
	if !absolute {
		return text, false, true
	}
	scheme = strings.ToLower(scheme)
	host, path, _ := strings.Cut(rest, "/")
	public, _ := url.Parse(b.public) // the server was started with it
	own := public != nil && scheme == public.Scheme && sameHost(scheme, host, public.Host)
	requested := (scheme == "http" || scheme == "https") && sameHost(scheme, host, b.r.Host)
	return path, true, own || requested
}

// sameHost compares hosts, each with or without the port that a scheme has by default.
func sameHost(scheme, a, b string) bool {
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// base returns the path of the server as clients see it, which differs from Root behind a proxy.
func (b *bulk) base() string {
	_, rest, _ := strings.Cut(b.public, "://")
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

// belowRoot cuts the SCIM root, or the path that stands for it, from the beginning of a path.
func belowRoot(path, base string) (string, bool) {
	for _, root := range [...]string{Root, strings.TrimSuffix(base, "/")} {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return rest, true
		}
	}
	return path, false
}

// nameOf returns the bulkId that a path refers to: as it is written, else escaped, or with a slash
// or a query behind it.
func (b *bulk) nameOf(op *bulkOperation) string {
	if _, known := b.posts[op.reference]; known {
		return op.reference
	}
	var name string
	name, op.query, _ = strings.Cut(op.reference, "?")
	name = strings.TrimRight(name, "/")
	if _, known := b.posts[name]; !known {
		if decoded, err := url.PathUnescape(name); err == nil {
			return decoded
		}
	}
	return name
}

// shapeData makes a PATCH of the operations alone, as a list (the example of RFC 7644 section 3.7.3
// is read as one) or a single one.
func (op *bulkOperation) shapeData() error {
	if op.method == http.MethodDelete {
		return nil
	}
	switch patch := op.method == http.MethodPatch; {
	case patch && op.data.IsList():
		op.data = slices.Concat([]byte(`{"Operations":`), op.data, []byte(`}`))
	case patch && op.data.IsObject():
		if asked := op.data.Pick("op", "Operations"); given(asked[0]) && asked[1] == nil {
			op.data = slices.Concat([]byte(`{"Operations":[`), op.data, []byte(`]}`))
		}
	case patch:
		return wrongType(op.name+".data", "an object or a list of operations", op.data)
	case !op.data.IsObject():
		return wrongType(op.name+".data", "an object", op.data)
	}
	return nil
}

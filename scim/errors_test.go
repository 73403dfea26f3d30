package scim_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestErrors sends what cannot be served: a clear answer each, and nothing changed.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	w.seed()
	long := strings.Repeat("(", 200<<10)
	members := func(v string) string { return patchHead + `[{"op":"add","path":"members","value":` + v + `}]}` }
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		scimType           string
	}{
		"no credential":               {"GET", "/Users", "", []string{"Authorization", ""}, 401, ""},
		"wrong token":                 {"GET", "/Users", "", []string{"Authorization", "Bearer unknown-knows-this-one"}, 401, ""},
		"wrong token, no such route":  {"GET", "/nothing", "", []string{"Authorization", "Bearer unknown"}, 401, ""},
		"other scheme":                {"GET", "/Users", "", []string{"Authorization", "Digest " + acmeToken}, 401, ""},
		"no such endpoint":            {"GET", "/Gadgets", "", nil, 404, ""},
		"no such user":                {"GET", "/Users/unknown", "", nil, 404, ""},
		"replacing an unknown user":   {"PUT", "/Users/unknown", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x"}`, nil, 404, ""},
		"patching an unknown user":    {"PATCH", "/Users/unknown", patchHead + `[{"op":"replace","path":"active","value":false}]}`, nil, 404, ""},
		"deleting nothing":            {"DELETE", "/Groups/nothing", "", nil, 404, ""},
		"encoded path":                {"GET", "/Users/%2e%2e/Groups", "", nil, 404, ""},
		"query, semicolon":            {"GET", "/Users?filter=userName%20eq%20%22x;y%22%20zz", "", nil, 400, "invalidFilter"},
		"query, half an escape":       {"GET", "/Users?filter=userName%20eq%20%22100%%22", "", nil, 400, "invalidFilter"},
		"query, no escape":            {"GET", "/Users?count=%zz", "", nil, 400, "invalidValue"},
		"long displayName":            {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + strings.Repeat("x", 1025) + `"}`, nil, 400, "invalidValue"},
		"long userName":               {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + strings.Repeat("x", 1025) + `"}`, nil, 400, "invalidValue"},
		"long externalId":             {"PATCH", "/Users/" + ada, patchHead + `[{"op":"add","path":"externalId","value":"` + strings.Repeat("x", 1025) + `"}]}`, nil, 400, "invalidValue"},
		"userName with a NUL":         {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a\u0000b"}`, nil, 400, "invalidValue"},
		"userName with half a letter": {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a\ud800b"}`, nil, 400, "invalidValue"},
		"not UTF-8":                   {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a` + "\xff" + `b"}`, nil, 400, "invalidSyntax"},
		"method":                      {"DELETE", "/Users", "", nil, 405, ""},
		"method on a resource":        {"POST", "/Users/" + ada, "{}", nil, 405, ""},
		"method of discovery":         {"POST", "/Schemas", "{}", nil, 405, ""},
		"me":                          {"GET", "/Me", "", nil, 501, ""},
		"media type":                  {"POST", "/Users", "<user/>", []string{"Content-Type", "text/xml"}, 415, ""},
		"compressed":                  {"POST", "/Users", "xxx", []string{"Content-Encoding", "gzip"}, 415, ""},
		"no JSON":                     {"POST", "/Users", "hello", nil, 400, "invalidSyntax"},
		"an array":                    {"POST", "/Users", "[]", nil, 400, "invalidSyntax"},
		"cut off":                     {"POST", "/Users", `{"userName":"x"`, nil, 400, "invalidSyntax"},
		"two documents":               {"POST", "/Users", `{"userName":"x"} {}`, nil, 400, "invalidSyntax"},
		"a key twice":                 {"POST", "/Users", `{"userName":"x","username":"y"}`, nil, 400, "invalidSyntax"},
		"too deep":                    {"POST", "/Users", `{"userName":"x","a":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + "}", nil, 400, "invalidSyntax"},
		"too long a filter":           {"GET", "/Users?filter=" + long, "", nil, 400, "invalidFilter"},
		"too deep a filter":           {"GET", "/Users?filter=" + strings.Repeat("(", 17) + "active%20eq%20true" + strings.Repeat(")", 17), "", nil, 400, "invalidFilter"},
		"malformed filter":            {"GET", "/Users?filter=userName%20is%20x", "", nil, 400, "invalidFilter"},
		"unknown attribute in filter": {"GET", "/Users?filter=shoeSize%20eq%2042", "", nil, 400, "invalidFilter"},
		"count":                       {"GET", "/Users?count=many", "", nil, 400, "invalidValue"},
		"filter on discovery":         {"GET", "/Schemas?filter=id%20eq%20%22x%22", "", nil, 403, ""},
		"no userName":                 {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"displayName":"x"}`, nil, 400, "invalidValue"},
		"blank userName":              {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"  "}`, nil, 400, "invalidValue"},
		"userName is an object":       {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":{}}`, nil, 400, "invalidValue"},
		"userName taken, other case":  {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ADA@example.com"}`, nil, 409, "uniqueness"},
		"rename to a taken userName":  {"PATCH", "/Users/" + ada, patchHead + `[{"op":"replace","path":"userName","value":"GRACE@example.com"}]}`, nil, 409, "uniqueness"},
		"displayName taken":           {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"vt admins"}`, nil, 409, "uniqueness"},
		"members are booleans":        {"PATCH", "/Groups/gid", members(`[true]`), nil, 400, "invalidValue"},
		"members without value":       {"PATCH", "/Groups/gid", members(`[{"display":"x"}]`), nil, 400, "invalidValue"},
		"members with empty value":    {"PATCH", "/Groups/gid", `{"Operations":[{"op":"remove","path":"members","value":[{"value":""}]}]}`, nil, 400, "invalidValue"},
		"one good, one bad":           {"PATCH", "/Groups/gid", members(`[{"value":"uid"},{"value":{}}]`), nil, 400, "invalidValue"},
		"members of a new group":      {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"n","members":[{"id":"u1"}]}`, nil, 400, "invalidValue"},
		"members of a replaced group": {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"n","members":[{"value":""},null]}`, nil, 400, "invalidValue"},
		"all or nothing":              {"PATCH", "/Groups/gid", patchHead + `[{"op":"add","path":"members","value":[{"value":"uid"}]},{"op":"replace","path":"displayName","value":""}]}`, nil, 400, "invalidValue"},
		"all or nothing, taken":       {"PATCH", "/Groups/gid", patchHead + `[{"op":"remove","path":"members"},{"op":"fly","path":"members"}]}`, nil, 400, "invalidSyntax"},
		"remove by an unknown part":   {"PATCH", "/Groups/gid", patchHead + `[{"op":"remove","path":"members[shoe eq 7]"}]}`, nil, 400, "invalidPath"},
		"readOnly":                    {"PATCH", "/Users/" + ada, patchHead + `[{"op":"replace","path":"groups","value":[]}]}`, nil, 400, "mutability"},
		"user too large":              {"POST", "/Users", `{"userName":"` + strings.Repeat("x", 256<<10) + `"}`, nil, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.state().all
			scimError(t, w.do(c.method, c.path, c.body, c.header...), c.status, c.scimType)
			if w.state().all != before {
				t.Error("something changed")
			}
		})
	}
}

// TestHugeBody: a body of 50 MB is refused, and a client that reads only after sending everything
// gets the reason.
func TestHugeBody(t *testing.T) {
	w := newWorld(t)
	w.seed()
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 50_000_000
	fmt.Fprintf(conn, "POST /scim/v2/Groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", acmeToken, size)
	if _, err := io.CopyN(conn, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 413") || !strings.Contains(string(got), `"status":"413"`) {
		t.Errorf("%s %v", got, err)
	}
	w.must(200, "GET", "/Users/"+ada, "")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAllowHeader(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{"/Users": "GET, HEAD, POST", "/Users/x": "GET, HEAD, PUT, PATCH, DELETE", "/Schemas": "GET, HEAD"} {
		if got := w.do("TRACE", path, "").header.Get("Allow"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestStoreFails: a change that cannot be stored is answered 429 with a whole number of seconds,
// the one failure that Okta repeats by itself.
func TestStoreFails(t *testing.T) {
	w := newWorld(t)
	w.seed()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	a := w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"add","path":"members","value":[{"value":"uid"}]}]}`)
	scimError(t, a, 429, "")
	if a.header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

func TestHead(t *testing.T) {
	w := newWorld(t)
	w.seed()
	get, head := w.must(200, "GET", "/Users/"+ada, ""), w.must(200, "HEAD", "/Users/"+ada, "")
	if len(head.body) != 0 || head.header.Get("ETag") != get.header.Get("ETag") {
		t.Errorf("%v %s", head.header, head.body)
	}
}

// TestCutOffBody: a request that is cut off changes nothing.
func TestCutOffBody(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state().all
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body := patchHead + `[{"op":"remove","path":"members"}]}`
	fmt.Fprintf(conn, "PATCH /scim/v2/Groups/gid HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n%s", acmeToken, len(body)+10, body)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(io.Discard, conn) // the answer, if there is one
	conn.Close()
	if got := w.state().all; got != before {
		t.Errorf("%s", got)
	}
}

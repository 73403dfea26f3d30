package scim_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim"
)

// routeTable is that of the server, with something that acme has in the place of {id}.
func routeTable(t *testing.T) (table [][2]string) {
	t.Helper()
	all, err := scim.RouteTable()
	if err != nil || len(all) < 20 {
		t.Fatalf("%d routes, %v", len(all), err)
	}
	for _, route := range all {
		method, path, _ := strings.Cut(route, " ")
		id := ada
		if strings.Contains(path, "/Groups/") {
			id = "gid"
		}
		table = append(table, [2]string{method, strings.ReplaceAll(path, "{id}", id)})
	}
	return table
}

// disguises are ways to write a path so that two readers of it may disagree.
func disguises(path string) []string {
	last := strings.LastIndexByte(path, '/')
	head, tail := path[:last], path[last+1:]
	out := []string{
		path, path + "/", path + "//", "/" + path, strings.ReplaceAll(path, "/", "//"), path + "/.", head + "/./" + tail, head + "/x/../" + tail, "/x/.." + path, "/healthz/../" + path,
		strings.ReplaceAll(path, "/", "%2f"), head + "%2F" + tail, "/" + strings.ReplaceAll(path[1:], "/", "%2f"), head + "%252f" + tail, head + "/%2e/" + tail, head + "/x/%2e%2e/" + tail, head + "/x%2f..%2f" + tail,
		strings.ToUpper(path), strings.ToLower(path), strings.Replace(path, "scim", "SCIM", 1), path + ";jsessionid=1", strings.Replace(path, "/v2", "/v2;v=1", 1), head + ";/" + tail, path + "%3b",
		head + `\` + tail, head + "%5c" + tail, path + "%00", path + "%0d%0a", path + "%09", path + "%20", "/%73cim" + path[5:], "/%2573cim" + path[5:], path + "%c0%af", path + "%ef%bc%8f", path + "?", path + "??", path + "?access_token=" + acmeToken, path + "?filter=%zz",
		path + "#", "http://scim.example.com" + path, "http://" + acmeToken + "@scim.example.com" + path, "HTTP://localhost" + path, "http://localhost//" + path, "*", "/", "", "healthz", "//localhost" + path,
	}
	return append(out, path+"\x01", path+"\x7f", head+"\x00/"+tail, path+"\xff")
}

// wire sends requests as they are written, over one connection for as long as it holds.
type wire struct {
	t       *testing.T
	address string
	conn    net.Conn
	read    *bufio.Reader
}

// send returns the status and the body; a server that closes the connection without an answer gives
// 0.
func (w *wire) send(method, target, headers string) (int, string) {
	w.t.Helper()
	if w.conn == nil {
		conn, err := net.Dial("tcp", w.address)
		if err != nil {
			w.t.Fatal(err)
		}
		w.conn, w.read = conn, bufio.NewReader(conn)
		w.t.Cleanup(func() { conn.Close() })
	}
	if _, err := fmt.Fprintf(w.conn, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, target, headers); err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequest(method, "/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.ReadResponse(w.read, req)
	if err != nil {
		w.conn = nil
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.Close {
		w.conn = nil
	}
	return res.StatusCode, string(body)
}

// refused reports whether the request was refused: 401 in the SCIM form, or the answer of the HTTP
// server to a malformed request.
func refused(method, target string, status int, body string) bool {
	noRequest := strings.ContainsFunc(target, unicode.IsControl) || !utf8.ValidString(target) || strings.Contains(target, "%zz") || !strings.HasPrefix(target, "/") && !strings.Contains(target, "://") || method != strings.ToUpper(method)
	return status == 401 && (method == "HEAD" || strings.Contains(body, `"401"`)) || noRequest && status == 400 && !strings.Contains(body, "schemas")
}

// TestEveryRouteNeedsACredential tries every route, in every spelling of its path, without a
// credential. New routes are in the table automatically.
func TestEveryRouteNeedsACredential(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	raw := &wire{t: t, address: w.server.Listener.Addr().String()}
	paths := []string{}
	for _, route := range routeTable(t) {
		if paths = append(paths, route[1]); !strings.Contains(route[0], "GET") {
			raw.send(route[0], route[1], "")
		}
	}
	slices.Sort(paths)
	tried := 0
	try := func(method, target, headers string) {
		t.Helper()
		tried++
		if status, body := raw.send(method, target, headers); !refused(method, target, status, body) {
			t.Errorf("%s %q %q: %d %s", method, target, headers, status, body)
		}
	}
	for _, path := range slices.Compact(append(paths, "/scim/v1/Users", "/scim/v2/Nothing", "/oauth/token", "/metrics", "/healthz")) {
		for _, target := range disguises(path) {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				try(method, target, "Content-Length: 0\r\n")
			}
		}
		for _, method := range []string{"HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "GET2"} {
			try(method, path, "Content-Length: 0\r\n")
		}
		for _, headers := range []string{"X-HTTP-Method-Override: GET\r\n", "X-HTTP-Method: DELETE\r\n", "X-Method-Override: PUT\r\n", "X-Original-URL: /healthz\r\n", "X-Rewrite-URL: /healthz\r\n", "X-Forwarded-For: 127.0.0.1\r\n",
			"X-Forwarded-Prefix: /scim\r\n", "X-Forwarded-Host: localhost\r\n", "X-Remote-User: acme\r\n", "Cookie: token=" + acmeToken + "\r\n", "Authorization:\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n",
			"Authorization: Basic YWNtZTo=\r\n", "Authorization: Bearer null\r\n", "Proxy-Authorization: Bearer " + acmeToken + "\r\n", "Authorization: Bearer " + acmeToken[1:] + "\r\n",
			"Authorization: Bearer " + acmeToken + "\r\nAuthorization: Bearer x\r\n", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"} {
			for _, method := range []string{"GET", "POST"} {
				try(method, path, headers+"Content-Length: 0\r\n")
			}
		}
	}
	if tried < 3000 {
		t.Errorf("%d requests were tried", tried)
	}
	if after := w.state(); after.all != before.all || len(after.events) != len(before.events) {
		t.Error("something was changed")
	}
	if status, body := raw.send("GET", "/scim/v2/Users/"+ada, "Authorization: Bearer "+acmeToken+"\r\n"); status != 200 {
		t.Errorf("with a credential: %d %s", status, body)
	}
}

// as sends with the credential of another provider.
func (w *world) as(token, method, path, body string) answer {
	w.t.Helper()
	return w.do(method, path, body, "Authorization", "Bearer "+token)
}

// TestDirectoryIsolation: a credential reaches only the directory of its identity provider, by
// every route.
func TestDirectoryIsolation(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	// Nothing that acme has may come back, unless the request said it.
	hidden := []string{grace, linus, margaret, "grace@example.com", "Person 1", "VT Admins", "managed@example.com"}
	clean := func(what string, a answer) {
		t.Helper()
		for _, h := range hidden {
			if strings.Contains(string(a.body), h) || strings.Contains(fmt.Sprint(a.header), h) {
				t.Errorf("%s shows %q of another provider: %d %s", what, h, a.status, a.body)
			}
		}
	}
	absent := func(what string, a answer) {
		t.Helper()
		if a.status != 404 {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
		clean(what, a)
	}
	const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"displayName","value":"mine"}]}`
	bodies := map[string]string{"PATCH": patch, "PUT": `{"userName":"mine@example.org","displayName":"mine"}`}
	reached := 0
	for _, route := range routeTable(t) {
		path := strings.TrimPrefix(route[1], "/scim/v2")
		for _, method := range strings.Split(route[0], ",") {
			if strings.HasSuffix(path, ada) || strings.HasSuffix(path, "gid") {
				reached++
				absent(method+" "+path, w.as(otherToken, method, path, bodies[method]))
				absent(method+" "+path+" of an unknown resource", w.as(otherToken, method, path[:strings.LastIndexByte(path, '/')]+"/unknown", bodies[method]))
			} else if method == "GET" {
				clean(path, w.as(otherToken, method, path, ""))
			}
		}
	}
	if reached < 8 {
		t.Errorf("%d routes with an id", reached)
	}
	for _, path := range []string{"/Users", "/Groups", "", "/.search", "/Users/.search", "/Groups/.search"} {
		for _, filter := range []string{"", `userName eq "ada@example.com"`, `id eq "` + ada + `"`, `id eq "gid"`, `externalId eq "jyoung"`, `emails.value eq "ada@example.com"`, `displayName eq "vt admins"`,
			`members.value eq "` + linus + `"`, `members[value eq "` + linus + `"]`, `userName pr`, `id pr or members pr`, `not (id eq "x")`, `groups.value eq "gid"`} {
			var a answer
			if strings.HasSuffix(path, ".search") {
				body, err := json.Marshal(map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"}, "filter": filter, "count": 100})
				if err != nil {
					t.Fatal(err)
				}
				if filter == "" {
					body = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`)
				}
				a = w.as(otherToken, "POST", path, string(body))
			} else {
				q := url.Values{}
				if filter != "" {
					q.Set("filter", filter)
				}
				a = w.as(otherToken, "GET", path+"?"+q.Encode(), "")
			}
			clean(path+" "+filter, a)
			if a.status == 200 && a.json(t)["totalResults"] != 0.0 {
				t.Errorf("%s %s finds something in an empty directory: %s", path, filter, a.body)
			}
		}
	}
	// Bulk goes the same way.
	bulk := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` +
		`{"method":"PATCH","path":"/Users/` + ada + `","data":` + patch + `},{"method":"PUT","path":"/Groups/gid","data":{"displayName":"mine"}},{"method":"DELETE","path":"/Users/` + ada + `"},{"method":"DELETE","path":"/Groups/gid"}]}`
	a := w.as(otherToken, "POST", "/Bulk", bulk)
	clean("Bulk", a)
	if got := strings.Count(string(a.body), `"status":"404"`); a.status != 200 || got < 4 {
		t.Errorf("Bulk: %d %s", a.status, a.body)
	}
	// An id of another directory is an unknown value here, and changes no membership there.
	made := w.as(otherToken, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Mine","members":[{"value":"`+ada+`"}]}`)
	if made.status != 201 {
		t.Fatalf("%d %s", made.status, made.body)
	}
	own := fmt.Sprint(made.json(t)["id"])
	for what, a := range map[string]answer{"created": made, "read": w.as(otherToken, "GET", "/Groups/"+own, ""), "found": w.as(otherToken, "GET", "/Groups?filter="+url.QueryEscape(`members.value eq "`+ada+`"`), "")} {
		clean("a group with a foreign member, "+what, a)
		for _, told := range []string{"ada@example.com", "$ref", "Person 0"} {
			if strings.Contains(string(a.body), told) {
				t.Errorf("a foreign member, %s, tells %q: %s", what, told, a.body)
			}
		}
	}
	if a := w.must(200, "GET", "/Users/"+ada, ""); strings.Contains(string(a.body), own) || strings.Contains(string(a.body), "Mine") {
		t.Errorf("acme's person is in a group of another: %s", a.body)
	}
	// A cursor is a position in the directory of its identity provider.
	first := w.must(200, "GET", "/Users?cursor&count=3", "")
	cursor := fmt.Sprint(first.json(t)["nextCursor"])
	if len(cursor) < 20 {
		t.Fatalf("no cursor: %s", first.body)
	}
	w.as(otherToken, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"new@example.org"}`)
	clean("acme's cursor", w.as(otherToken, "GET", "/Users?count=3&cursor="+cursor, ""))
	after := w.state()
	if after.all != before.all {
		t.Error("acme's directory was changed")
	}
}

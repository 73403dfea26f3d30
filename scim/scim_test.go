package scim_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

const patchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`

// scimError checks that an answer is an error in the SCIM form.
func scimError(t *testing.T, a answer, status int, scimType string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/scim+json" {
		t.Fatalf("%d %q, want %d: %s", a.status, a.header.Get("Content-Type"), status, a.body)
	}
	e := a.json(t)
	if !slices.Equal(e["schemas"].([]any), []any{"urn:ietf:params:scim:api:messages:2.0:Error"}) || e["status"] != fmt.Sprint(status) {
		t.Errorf("not a SCIM error: %s", a.body)
	}
	if got, _ := e["scimType"].(string); got != scimType {
		t.Errorf("scimType %q, want %q", got, scimType)
	}
	if detail, _ := e["detail"].(string); detail == "" {
		t.Error("no detail")
	}
}

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
		"wrong token":                 {"GET", "/Users", "", []string{"Authorization", "Bearer nobody-knows-this-one"}, 401, ""},
		"wrong token, no such route":  {"GET", "/nothing", "", []string{"Authorization", "Bearer nobody"}, 401, ""},
		"other scheme":                {"GET", "/Users", "", []string{"Authorization", "Digest " + acmeToken}, 401, ""},
		"no such endpoint":            {"GET", "/Gadgets", "", nil, 404, ""},
		"no such user":                {"GET", "/Users/nobody", "", nil, 404, ""},
		"replacing nobody":            {"PUT", "/Users/nobody", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x"}`, nil, 404, ""},
		"patching nobody":             {"PATCH", "/Users/nobody", patchHead + `[{"op":"replace","path":"active","value":false}]}`, nil, 404, ""},
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
		"remove a part of nobody":     {"PATCH", "/Groups/gid", patchHead + `[{"op":"remove","path":"members[shoe eq 7]"}]}`, nil, 400, "invalidPath"},
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

// A body of 50 MB is refused, and the client gets to read why, though it reads only after having sent everything.
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

// One provider's credential never reaches another's resources.
func TestProvidersAreApart(t *testing.T) {
	w := newWorld(t)
	w.seed()
	other := []string{"Authorization", otherToken} // without "Bearer", as one Okta form sends it
	for _, path := range []string{"/Users/" + ada, "/Groups/gid"} {
		w.must(404, "GET", path, "", other...)
		w.must(404, "DELETE", path, "", other...)
		w.must(404, "PATCH", path, patchHead+`[{"op":"replace","path":"displayName","value":"x"}]}`, other...)
		w.must(200, "GET", path, "")
	}
	for _, path := range []string{"/Users", "/Groups", "/Users?filter=userName%20eq%20%22ada@example.com%22", "/Groups?filter=members%20eq%20%22" + linus + "%22"} {
		if n := w.must(200, "GET", path, "", other...).json(t)["totalResults"]; n != 0.0 {
			t.Errorf("%s: %v results", path, n)
		}
	}
	w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`, other...)
}

func TestPaging(t *testing.T) {
	w := newWorld(t)
	w.seed()
	var all []string
	for start := 1; ; {
		page := w.must(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=5", start), "").json(t)
		if page["totalResults"] != 14.0 || page["startIndex"] != float64(start) {
			t.Fatalf("%v", page)
		}
		list := page["Resources"].([]any)
		if page["itemsPerPage"] != float64(len(list)) {
			t.Errorf("itemsPerPage %v of %d", page["itemsPerPage"], len(list))
		}
		if len(list) == 0 {
			break
		}
		for _, u := range list {
			all = append(all, u.(map[string]any)["id"].(string))
		}
		start += len(list)
	}
	if len(all) != 14 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 14 {
		t.Errorf("the pages hold %v", all)
	}
	for query, want := range map[string][2]float64{ // totalResults, itemsPerPage
		"count=0": {14, 0}, "count=-3": {14, 0}, "startIndex=0&count=2": {14, 2}, "startIndex=99": {14, 0}, "count=100000": {14, 14},
		"filter=active%20eq%20true&startIndex=13&count=5": {14, 2}, "filter=userName%20sw%20%22u%22": {5, 5}, "filter=userName%20eq%20%22nobody%22": {0, 0},
	} {
		page := w.must(200, "GET", "/Users?"+query, "").json(t)
		if page["totalResults"] != want[0] || page["itemsPerPage"] != want[1] {
			t.Errorf("%s: %v of %v, want %v", query, page["itemsPerPage"], page["totalResults"], want)
		}
	}
}

func TestProjection(t *testing.T) {
	w := newWorld(t)
	w.seed()
	for path, want := range map[string][]string{
		"/Users/" + ada + "?attributes=userName":                                         {"id", "schemas", "userName"},
		"/Users/" + ada + "?attributes=name.givenName,emails":                            {"emails", "id", "name", "schemas"},
		"/Users/" + ada + "?excludedAttributes=emails,meta,groups,name,id":               {"active", "displayName", "id", "schemas", "userName"},
		"/Groups/gid?excludedAttributes=members":                                         {"displayName", "id", "meta", "schemas"},
		"/Groups/gid?attributes=members.value":                                           {"id", "members", "schemas"},
		"/Groups/gid?attributes=urn:ietf:params:scim:schemas:core:2.0:Group:displayName": {"displayName", "id", "schemas"},
	} {
		got := w.must(200, "GET", path, "").json(t)
		var names []string
		for n := range got {
			names = append(names, n)
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("%s: %v, want %v", path, names, want)
		}
	}
	name := w.must(200, "GET", "/Users/"+ada+"?attributes=name.givenName", "").json(t)["name"]
	if fmt.Sprint(name) != "map[givenName:Given0]" {
		t.Errorf("%v", name)
	}
	if got := w.must(200, "PATCH", "/Groups/gid?attributes=displayName", patchHead+`[{"op":"replace","path":"displayName","value":"n"}]}`).json(t); len(got) != 3 || got["displayName"] != "n" {
		t.Errorf("a PATCH that asks for attributes: %v", got)
	}
}

// What a change may have made wrong is marked in the transaction of the change, for those it touched and nobody else.
// TestOtherRulesInForce changes users and groups through a replica with other rules than those in force for a backend: every
// change is marked there for whoever delivers to say where it counts.
func TestOtherRulesInForce(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		want               string
	}{
		"a member comes": {"PATCH", "/Groups/gid", `{"Operations":[{"op":"add","path":"members","value":[{"value":"u1"}]}]}`, "* u1"},
		"a member goes":  {"PATCH", "/Groups/gid", `{"Operations":[{"op":"remove","path":"members[value eq \"u3\"]"}]}`, "* u3"},
		"renamed":        {"PATCH", "/Groups/gid", `{"Operations":[{"op":"replace","path":"displayName","value":"Other"}]}`, "* "},
		"deleted":        {"DELETE", "/Groups/gid", "", "* u3"},
		"new":            {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"New"}`, "* *"},
		"an attribute":   {"PATCH", "/Users/u3", `{"Operations":[{"op":"replace","path":"title","value":"Boss"}]}`, "* u3"},
		"a new user":     {"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"new@example.com"}`, "* new-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			w.others = []string{"vt"}
			if a := w.do(c.method, c.path, c.body); a.status >= 300 {
				t.Fatalf("%d: %s", a.status, a.body)
			}
			if got := w.state().marks; !slices.Contains(got, c.want) {
				t.Errorf("marks %q, want %q among them", got, c.want)
			}
		})
	}
}

func TestMarks(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		marks              []string
	}{
		"add":                 {"PATCH", "/Groups/gid", patchHead + `[{"op":"add","path":"members","value":[{"value":"uid"},{"value":"` + linus + `"}]}]}`, []string{"t-VT Admins uid"}},
		"nothing new":         {"PATCH", "/Groups/gid", patchHead + `[{"op":"add","path":"members","value":[{"value":"` + linus + `"}]}]}`, nil},
		"deactivate":          {"PATCH", "/Users/" + linus, patchHead + `[{"op":"replace","value":{"active":false}}]}`, []string{"t-VT Admins " + linus}},
		"e-mail":              {"PATCH", "/Users/" + linus, patchHead + `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"l@example.com"}]}`, []string{"t-VT Admins " + linus}},
		"a nickname":          {"PATCH", "/Users/" + linus, patchHead + `[{"op":"replace","path":"nickName","value":"l"}]}`, nil},
		"delete a user":       {"DELETE", "/Users/" + linus, "", []string{"t-VT Admins " + linus}},
		"delete the group":    {"DELETE", "/Groups/gid", "", []string{"t-VT Admins " + margaret, "t-VT Admins " + grace, "t-VT Admins " + linus, "t-VT Admins u3", "t-VT Admins not-yet-a-user", "t-VT Admins *"}},
		"rename the group":    {"PATCH", "/Groups/gid", patchHead + `[{"op":"replace","path":"displayName","value":"New"}]}`, []string{"t-New ", "t-VT Admins "}},
		"new group":           {"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"n","members":[{"value":"uid"}]}`, []string{"t-n uid", "t-n *"}},
		"replace, not said":   {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins"}`, nil},
		"another external id": {"PATCH", "/Groups/gid", patchHead + `[{"op":"replace","path":"externalId","value":"x"}]}`, []string{"t-VT Admins "}}, // rules may select by it
		"replace, null":       {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins","members":null}`, nil},
		"replace without any": {"PUT", "/Groups/gid", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins","members":[]}`, []string{"t-VT Admins " + margaret, "t-VT Admins " + grace, "t-VT Admins " + linus, "t-VT Admins u3", "t-VT Admins not-yet-a-user"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			if a := w.do(c.method, c.path, c.body); a.status >= 300 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			slices.Sort(c.marks)
			if got := w.state().marks; !slices.Equal(got, c.marks) {
				t.Errorf("marks %q, want %q", got, c.marks)
			}
			if (w.nudged.Load() > 0) != (len(c.marks) > 0) {
				t.Errorf("the worker was told %d times", w.nudged.Load())
			}
		})
	}
}

// A user who is created once more by the same provider comes back; anybody else of the name is a conflict.
func TestComesBack(t *testing.T) {
	w := newWorld(t)
	create := func(want int, external string) answer {
		t.Helper()
		return w.must(want, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","active":true,"externalId":"`+external+`"}`)
	}
	id := create(201, "x1").json(t)["id"].(string)
	create(409, "x1")
	w.must(200, "PATCH", "/Users/"+id, patchHead+`[{"op":"replace","path":"active","value":false}]}`)
	create(409, "x2")
	back := create(201, "x1").json(t)
	if back["id"] != id || back["active"] != true {
		t.Errorf("%v", back)
	}
}

func TestPutNeverReactivates(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(200, "PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","path":"active","value":false}]}`)
	got := w.must(200, "PUT", "/Users/"+ada, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`).json(t)
	if got["active"] != false {
		t.Errorf("%v", got)
	}
}

// A member may be named before the user exists, and counts from then on.
func TestMemberBeforeUser(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.ids.Store(0)
	w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"add","path":"members","value":[{"value":"new-1"}]}]}`)
	created := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"late"}`).json(t)
	if fmt.Sprint(created["groups"]) == "[]" || !slices.Contains(w.state().marks, "t-VT Admins new-1") {
		t.Errorf("groups %v, marks %q", created["groups"], w.state().marks)
	}
}

// Nothing is lost when many clients change one group at once.
func TestParallelPatches(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	var want []string
	var wg sync.WaitGroup
	for c := range 16 {
		for i := range 10 {
			want = append(want, fmt.Sprintf("+m-%d-%d", c, i))
		}
		wg.Go(func() {
			for i := range 10 {
				if a := w.do("PATCH", "/Groups/gid", fmt.Sprintf(patchHead+`[{"op":"add","path":"members","value":[{"value":"m-%d-%d"}]}]}`, c, i)); a.status != 204 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	if got := delta(before, w.state(), "gid"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// A thousand operations in one PATCH, Okta's limit, in order: what is added and removed again leaves nothing.
func TestThousandOperations(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	var ops []string
	for i := range 500 {
		ops = append(ops, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":"m-%d"}]}`, i))
	}
	for i := range 500 {
		ops = append(ops, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"m-%d\"]"}`, i))
	}
	w.must(204, "PATCH", "/Groups/gid", patchHead+"["+strings.Join(ops, ",")+"]}")
	after := w.state()
	if got := delta(before, after, "gid"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, e := range after.events {
		if strings.Contains(e, "m-") {
			t.Errorf("an event for what did not happen: %s", e)
		}
	}
	w.must(413, "PATCH", "/Groups/gid", patchHead+"["+strings.Repeat(`{"op":"remove","path":"members[value eq \"x\"]"},`, 10_000)+`{"op":"remove","path":"members"}]}`)
	if got := delta(before, w.state(), "gid"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// What cannot be stored is answered 429 with a whole number of seconds: the one failure that Okta repeats by itself.
func TestStoreIsGone(t *testing.T) {
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

// A request that is cut off changes nothing.
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
	_, _ = io.Copy(io.Discard, conn) // an answer or none: nobody is there to read it
	conn.Close()
	if got := w.state().all; got != before {
		t.Errorf("%s", got)
	}
}

// Whoever leaves is marked also where no group of theirs counts any more, if a backend knows them.
func TestWhoLeavesIsMarkedEverywhere(t *testing.T) {
	for _, c := range []struct{ method, body string }{
		{"PATCH", patchHead + `[{"op":"replace","value":{"active":false}}]}`},
		{"DELETE", ""},
	} {
		w := newWorld(t)
		w.seed()
		err := w.store.Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(
				tx.Accounts("vt").PutLink(store.Link{IdP: "acme", User: linus, Key: "linus@example.com", Account: "a"}),
				tx.Ledger("vt").PutEntry(store.Entry{Target: "held", Account: "a", Role: "r", State: store.Present}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if a := w.do(c.method, "/Users/"+linus, c.body); a.status >= 300 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		want := []string{"* " + linus, "t-VT Admins " + linus}
		if got := w.state().marks; !slices.Equal(got, want) {
			t.Errorf("%s: marks %q, want %q", c.method, got, want)
		}
	}
}

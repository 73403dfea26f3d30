package scim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const bulkHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":`

// results sends a bulk request and lists "bulkId method status" of what was done.
func (w *world) results(body string) (lines []string, ops []map[string]any) {
	w.t.Helper()
	a := w.must(200, "POST", "/Bulk", body).json(w.t)
	if fmt.Sprint(a["schemas"]) != "[urn:ietf:params:scim:api:messages:2.0:BulkResponse]" {
		w.t.Errorf("%v", a["schemas"])
	}
	for _, o := range a["Operations"].([]any) {
		op := o.(map[string]any)
		id, _ := op["bulkId"].(string)
		lines = append(lines, strings.TrimSpace(fmt.Sprint(id, " ", op["method"], " ", op["status"])))
		ops = append(ops, op)
	}
	return lines, ops
}

func group(name, id, members string) string {
	return fmt.Sprintf(`{"method":"POST","path":"/Groups","bulkId":%q,"data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[%s]}}`, id, name, members)
}

func person(name, id string) string {
	return fmt.Sprintf(`{"method":"post","path":"/Users","bulkId":%q,"data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q}}`, id, name)
}

func (w *world) membersOf(group string) []string {
	w.t.Helper()
	var out []string
	list, _ := w.must(200, "GET", "/Groups/"+group, "").json(w.t)["members"].([]any)
	for _, m := range list {
		m := m.(map[string]any)
		out = append(out, fmt.Sprint(m["type"], " ", m["value"]))
	}
	slices.Sort(out)
	return out
}

func TestBulk(t *testing.T) {
	w := newWorld(t)
	w.seed()
	lines, ops := w.results(bulkHead + `[` + strings.Join([]string{
		group("Team", "g", `{"value":"bulkId:u"}`), // refers to what comes later
		person("new@example.com", "u"),
		`{"method":"PATCH","path":"/Groups/bulkId:g","data":` + patchHead + `[{"op":"remove","path":"members[value eq \"bulkId:u\"]"},{"op":"add","path":"members","value":[{"value":"` + ada + `"}]}]}}`,
		`{"method":"PUT","path":"/Users/` + grace + `","version":"W/\"9\"","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"g"}}`,
		`{"method":"PUT","path":"/Users/` + grace + `","version":"W/\"1\"","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"g"}}`,
		`{"method":"DELETE","path":"/Users/` + linus + `"}`,
		`{"method":"DELETE","path":"/Users/` + linus + `"}`,
		person("ADA@example.com", "taken"),
		group("Second", "h", `{"value":"bulkId:taken"}`),
	}, ",") + `]}`)
	want := []string{"g POST 201", "u POST 201", "PATCH 204", "PUT 412", "PUT 200", "DELETE 204", "DELETE 404", "taken POST 409", "h POST 409"}
	if !slices.Equal(lines, want) {
		t.Fatalf("%q\nwant %q", lines, want)
	}
	location, _ := ops[0]["location"].(string)
	id := location[strings.LastIndex(location, "/")+1:]
	if got := w.membersOf(id); !slices.Equal(got, []string{"User " + ada}) {
		t.Errorf("members %v", got)
	}
	for i, op := range ops {
		status := op["status"].(string)
		failed := status[0] != '2'
		response, _ := op["response"].(map[string]any)
		if failed != (response != nil) || failed && response["status"] != status {
			t.Errorf("operation %d: %v", i, op)
		}
		if _, has := op["location"]; has == (op["method"] == "POST" && failed) {
			t.Errorf("operation %d: location: %v", i, op)
		}
		if _, has := op["version"]; has != (!failed && op["method"] != "DELETE") {
			t.Errorf("operation %d: version: %v", i, op)
		}
	}
}

// Two groups that refer to each other are RFC 7644's own example of a circular reference (section
// 3.7.1).
func TestBulkCircularReferences(t *testing.T) {
	w := newWorld(t)
	lines, _ := w.results(bulkHead + `[` + group("Group A", "qwerty", `{"type":"Group","value":"bulkId:ytrewq"}`) + `,` + group("Group B", "ytrewq", `{"type":"Group","value":"bulkId:qwerty"}`) + `,` +
		group("Self", "self", `{"value":"bulkId:self"}`) + `]}`)
	if !slices.Equal(lines, []string{"qwerty POST 201", "ytrewq POST 201", "self POST 201"}) {
		t.Fatalf("%q", lines)
	}
	found := map[string]string{}
	for _, g := range w.must(200, "GET", "/Groups", "").json(t)["Resources"].([]any) {
		g := g.(map[string]any)
		found[g["displayName"].(string)] = g["id"].(string)
	}
	for name, member := range map[string]string{"Group A": "Group B", "Group B": "Group A", "Self": "Self"} {
		if got := w.membersOf(found[name]); !slices.Equal(got, []string{"Group " + found[member]}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A bulkId is the same however JSON writes it.
func TestBulkIdsAreText(t *testing.T) {
	w := newWorld(t)
	w.seed()
	lines, _ := w.results(bulkHead + `[{"method":"POST","path":"/Users","bulkId":"Mü&1","data":{"userName":"m@example.com"}},` +
		`{"method":"PATCH","path":"/Groups/gid","data":` + patchHead + `[{"op":"replace","path":"members","value":[{"value":"bulkId:M\u00fc\u00261"}]}]}},` +
		`{"method":"PATCH","path":"/Groups/gid","data":` + patchHead + `[{"op":"add","path":"members","value":[{"value":"bulkId:M\u00fc\u0022"}]}]}}]}`)
	if !slices.Equal(lines, []string{"Mü&1 POST 201", "PATCH 204", "PATCH 400"}) {
		t.Fatalf("%q", lines)
	}
	if got := w.membersOf("gid"); !slices.Equal(got, []string{"User new-1"}) {
		t.Errorf("%q", got)
	}
}

func TestBulkFailOnErrors(t *testing.T) {
	for limit, want := range map[int]int{0: 5, 1: 2, 2: 4, 3: 5} {
		w := newWorld(t)
		w.seed()
		ops := []string{person("one", "1"), person("ada@example.com", "2"), person("three", "3"), person("grace@example.com", "4"), person("five", "5")}
		head := bulkHead
		if limit > 0 {
			head = strings.Replace(head, `"Operations"`, fmt.Sprintf(`"failOnErrors":%d,"Operations"`, limit), 1)
		}
		if lines, _ := w.results(head + `[` + strings.Join(ops, ",") + `]}`); len(lines) != want {
			t.Errorf("failOnErrors %d: %q", limit, lines)
		}
	}
}

func TestBulkErrors(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	many := strings.TrimSuffix(strings.Repeat(`{"method":"DELETE","path":"/Users/x"},`, 1001), ",")
	for body, want := range map[string]struct {
		status   int
		scimType string
	}{
		`{}`: {400, "invalidSyntax"}, `[]`: {400, "invalidSyntax"}, bulkHead + `[]}`: {400, "invalidSyntax"}, bulkHead + `7}`: {400, "invalidSyntax"},
		strings.Replace(bulkHead, `"Operations"`, `"failOnErrors":-1,"Operations"`, 1) + `[{}]}`: {400, "invalidValue"},
		bulkHead + `[` + person("a", "x") + `,` + person("b", "x") + `]}`:                        {400, "invalidValue"},
		bulkHead + `[` + many + `]}`: {413, ""},
		bulkHead + `[{"method":"DELETE","path":"/Users/` + strings.Repeat("x", 5<<20) + `"}]}`: {413, ""},
	} {
		scimError(t, w.do("POST", "/Bulk", body), want.status, want.scimType)
	}
	scimError(t, w.do("GET", "/Bulk", ""), 405, "")
	for op, want := range map[string]string{
		`{}`: "400", `{"method":"GET","path":"/Users/` + ada + `"}`: "400", `{"method":"POST","path":"/Users","data":{}}`: "400",
		`{"method":"POST","path":"/Users","bulkId":"a\"b","data":{}}`: "400", `{"method":"POST","path":"/Users/x","bulkId":"a","data":{}}`: "404",
		`{"method":"PATCH","path":"/Groups/gid"}`: "400", `{"method":"DELETE","path":"/Users"}`: "404", `{"method":"DELETE","path":"/Bulk/x"}`: "404",
		`{"method":"POST","path":"/.search","bulkId":"a","data":{}}`: "404", `{"method":"POST","path":"/Users/.search","bulkId":"a","data":{}}`: "404",
		`{"method":"PATCH","path":"/Groups/%2567id","data":{}}`: "404", `{"method":"PATCH","path":"/Groups/gid/../gid","data":{}}`: "404", `{"method":"DELETE","path":"://"}`: "404", `{"method":"DELETE","path":"/Users/uid#fragment"}`: "404",
		`{"method":"DELETE","path":"/Groups/bulkId:unknown"}`: "400", `{"method":"PATCH","path":"/Groups/gid","data":7}`: "400",
		`{"method":"PATCH","path":"/Groups/gid","data":` + patchHead + `[{"op":"add","path":"members","value":[{"value":"bulkId:unknown"}]}]}}`: "400",
	} {
		_, ops := w.results(bulkHead + `[` + op + `]}`)
		if len(ops) != 1 || ops[0]["status"] != want {
			t.Errorf("%s: %v, want %s", op, ops, want)
		}
	}
	if after := w.state(); !slices.Equal(after.events, before.events) {
		t.Errorf("something was done: %q", after.events)
	}
}

// One provider's bulk request does not reach another's resources.
func TestBulkIsolation(t *testing.T) {
	w := newWorld(t)
	w.seed()
	a := w.must(200, "POST", "/Bulk", bulkHead+`[{"method":"DELETE","path":"/Users/`+ada+`"}]}`, "Authorization", "Bearer "+otherToken)
	if !strings.Contains(string(a.body), `"status":"404"`) {
		t.Errorf("%s", a.body)
	}
	w.must(200, "GET", "/Users/"+ada, "")
}

func FuzzBulk(f *testing.F) {
	f.Add(bulkHead + `[` + group("A", "a", `{"value":"bulkId:b"}`) + `,` + group("B", "b", `{"value":"bulkId:a"}`) + `]}`)
	f.Add(bulkHead + `[` + person("x", "1") + `,{"method":"PATCH","path":"/Users/bulkId:1","data":` + patchHead + `[{"op":"replace","path":"active","value":false}]}}]}`)
	f.Add(bulkHead + `[{"method":"DELETE","path":"/Users/bulkId:1?x=%zz"}],"failOnErrors":1}`)
	f.Add(`{"Operations":[{"method":"PATCH","path":"https://scim.example.com/scim/v2//users/%61da/","data":[{"op":"replace","path":"active","value":false}]}],"failOnErrors":"0"}`)
	w := newWorld(f)
	w.seed()
	f.Fuzz(func(t *testing.T, body string) {
		w.t = t
		a := w.do("POST", "/Bulk", body)
		if a.status == 500 || !json.Valid(a.body) {
			t.Fatalf("%d %s", a.status, a.body)
		}
	})
}

package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestBulkForms reads bulk requests as clients write them, and looks for the effect.
func TestBulkForms(t *testing.T) {
	const (
		list    = `[{"op":"replace","path":"active","value":false}]`
		patched = `"method":"PATCH","path":"/Users/` + ada + `","data":`
	)
	for _, body := range []string{
		bulkHead + `[{` + patched + list + `}]}`,
		bulkHead + `[{` + patched + `{"op":"replace","path":"active","value":false}}]}`,
		bulkHead + `[{` + patched + `{"OP":"Replace","value":{"active":false}}}]}`,
		bulkHead + `[{` + patched + `{"Operations":` + list + `}}]}`,
		bulkHead + `[{` + patched + patchHead + list + `}}]}`,
		bulkHead + `[{"Method":" patch ","PATH":" /Users/` + ada + ` ","DATA":` + list + `}]}`,
		`{"Operations":[{` + patched + list + `}]}`, `{"schemas":null,"Operations":[{` + patched + list + `}]}`, `{"schemas":[],"Operations":[{` + patched + list + `}]}`, `{"schemas":"urn:x","Operations":[{` + patched + list + `}]}`,
		`{"schemas":[" "],"operations":[{` + patched + list + `}]}`, `{"schemas":["urn:ietf:params:scim:api:messages:3.0:BulkRequest"],"OPERATIONS":[{` + patched + list + `}]}`, `{"schemas":["urn:scim:schemas:core:1.0"],"Operations":[{` + patched + list + `}]}`,
		`{"failOnErrors":0,"Operations":[{` + patched + list + `}]}`, `{"failOnErrors":"0","Operations":[{` + patched + list + `}]}`, `{"failOnErrors":"1","Operations":[{` + patched + list + `}]}`, `{"failOnErrors":null,"Operations":[{` + patched + list + `}]}`,
		`{"failOnErrors":"","Operations":[{` + patched + list + `,"bulkId":7,"version":null}]}`,
	} {
		w := newWorld(t)
		w.seed()
		lines, ops := w.results(body)
		if len(lines) != 1 || ops[0]["status"] != "200" || ops[0]["location"] != "https://scim.example.com/scim/v2/Users/"+ada || w.state().active[ada] {
			t.Errorf("%s: %v, active is %t", body, ops, w.state().active[ada])
		}
	}
}

func TestBulkFailsOnText(t *testing.T) {
	for limit, want := range map[string]int{`0`: 3, `"0"`: 3, `1`: 1, `"1"`: 1, `" 2 "`: 2} {
		w := newWorld(t)
		one := `{"method":"DELETE","path":"/Users/x"}`
		if lines, _ := w.results(`{"failOnErrors":` + limit + `,"Operations":[` + one + `,` + one + `,` + one + `]}`); len(lines) != want {
			t.Errorf("failOnErrors %s: %q", limit, lines)
		}
	}
}

// TestBulkPaths changes a user by every way to write its address, and by none that is of another
// server.
func TestBulkPaths(t *testing.T) {
	w := newWorld(t)
	w.seed()
	at := func(path string) string {
		return strings.NewReplacer("ID", ada, "ESCAPED", strings.ReplaceAll(ada, "-", "%2D"), "HOST", strings.TrimPrefix(w.server.URL, "http://")).Replace(path)
	}
	put := func(path string) map[string]any {
		_, ops := w.results(bulkHead + fmt.Sprintf(`[{"method":"PATCH","path":%q,"data":[{"op":"replace","path":"title","value":"t"}]}]}`, at(path)))
		return ops[0]
	}
	for _, path := range []string{
		"/Users/ID", "Users/ID", "/Users/ID/", "//Users//ID", "/users/ID", "USERS/ID/", "/Users/ESCAPED", "/%55sers/ID", "/Users/ID?attributes=title", "/Users/ID/?excludedAttributes=emails",
		"/scim/v2/Users/ID", "scim/v2/Users/ID", "/scim/v2//users/ID/", "//scim/v2/Users/ESCAPED", "/scim/v2/Users/ID?x=http://other.example.com",
		"https://scim.example.com/scim/v2/Users/ID", "HTTPS://SCIM.example.COM/scim/v2/Users/ID/", "https://scim.example.com:443/scim/v2/users/ESCAPED", "https://scim.example.com//scim/v2//Users/ID?x=1", "http://HOST/scim/v2/Users/ID", "https://HOST/scim/v2/Users/ID",
	} {
		if op := put(path); op["status"] != "200" || op["location"] != "https://scim.example.com/scim/v2/Users/"+ada {
			t.Errorf("%s: %v", path, op)
		}
	}
	before := w.state()
	for _, path := range []string{
		"", " ", "/", "/Users", "/Users/", "/Users/ID/x", "/Users/ID/../ID", "/Users/./ID", "/Users/%2E%2E/Users/ID", "/Users%2FID", "/Users/ID%2F", "/Users/ID%5C", "/Users/ID%25", "/Users/ID%20", "/Users/ID%00", "/Users/ID#x", "/Users/ID%23", "/Users/ID%3Fx", "/%2555sers/ID", "/Users/%zz", "/Users/ID%", "/Users/ID x", "/Users/ID\u00e9", `/Users\ID`,
		"/Schemas/ID", "/Me/ID", "/Bulk/ID", "/Users/.search", "/.search", "/oauth/token", "/scim/v2", "/scim/v2/", "/scim/v1/Users/ID", "/scim/v2/scim/v2/Users/ID", "/SCIM/v2/Users/ID",
		"https://other.example.com/scim/v2/Users/ID", "http://scim.example.com/scim/v2/Users/ID", "https://scim.example.com:8443/scim/v2/Users/ID", "https://scim.example.com/Users/ID", "https://scim.example.com", "https://scim.example.com/scim/v2", "https://x@scim.example.com/scim/v2/Users/ID",
		"https://scim.example.com.example.org/scim/v2/Users/ID", "ftp://HOST/scim/v2/Users/ID", "://scim.example.com/scim/v2/Users/ID", "//scim.example.com/scim/v2/Users/ID", "https:///scim/v2/Users/ID", "file:///scim/v2/Users/ID",
	} {
		op := put(path)
		detail := fmt.Sprint(op["response"].(map[string]any)["detail"])
		if op["status"] != "404" || !strings.HasPrefix(detail, "Operations[0].path: ") || strings.Contains(detail, "example") {
			t.Errorf("%s: %v", path, op)
		}
	}
	if after := w.state(); after.all != before.all {
		t.Error("something was changed")
	}
}

// TestBulkReferencesInPaths finds a created resource by any way to write a path with a bulkId.
func TestBulkReferencesInPaths(t *testing.T) {
	for _, c := range [][2]string{ // bulkId, path
		{"a", "/Users/bulkId:a"}, {"a", "Users/bulkId:a/"}, {"a", "/users/bulkId%3Aa"}, {"a", "/scim/v2/Users/bulkId:a?attributes=id"}, {"a", "https://scim.example.com/scim/v2/Users/bulkId:a"}, {"a", "//Users//bulkId:a"},
		{"Mü&1", "/Users/bulkId:Mü&1"}, {"Mü 1", "/Users/bulkId:M%C3%BC%201"}, {"a/b", "/Users/bulkId:a/b"}, {"a?b", "/Users/bulkId:a?b"}, {"a%41", "/Users/bulkId:a%41"}, {"http://x/y", "/Users/bulkId:http://x/y"},
	} {
		w := newWorld(t)
		lines, ops := w.results(bulkHead + `[` + fmt.Sprintf(`{"method":"PATCH","path":%q,"data":[{"op":"replace","path":"active","value":false}]},`, c[1]) + person("u@example.com", c[0]) + `]}`)
		if !slices.Equal(lines, []string{"PATCH 200", c[0] + " POST 201"}) || ops[0]["location"] != "https://scim.example.com/scim/v2/Users/new-1" || w.state().active["new-1"] {
			t.Errorf("%s: %v", c[1], ops)
		}
	}
	w := newWorld(t)
	_, ops := w.results(bulkHead + `[{"method":"POST","path":"/Users/bulkId:a","bulkId":"a","data":{"userName":"u"}},{"method":"DELETE","path":"/Schemas/bulkId:a"},{"method":"DELETE","path":"/Users/x/bulkId:a"}]}`)
	for _, op := range ops {
		if op["status"] != "404" {
			t.Errorf("%v", op)
		}
	}
}

// TestBulkErrorsNameTheOperation says where a bulk request is wrong, and shows none of its values.
func TestBulkErrorsNameTheOperation(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	whole := func(ops string) string {
		return bulkHead + `[{"method":"DELETE","path":"/Users/` + ada + `"},` + ops + `]}`
	}
	for body, want := range map[string]string{
		`{}`: "Operations: a bulk request needs at least one operation", bulkHead + `null}`: "Operations: a bulk request needs at least one operation", bulkHead + `7}`: "Operations: expected a list, got a number", bulkHead + `{"method":"DELETE"}}`: "Operations: expected a list, got an object",
		whole(`"DELETE"`): "Operations[1]: expected an object, got a string", whole(`[]`): "Operations[1]: expected an object, got a list", whole(`null`): "Operations[1]: expected an object, got null",
		whole(`{"method":5}`): "Operations[1].method: expected a string, got a number", whole(`{"method":"DELETE","path":7}`): "Operations[1].path: expected a string, got a number", whole(`{"path":["/Users"]}`): "Operations[1].path: expected a string, got a list",
		whole(`{"bulkId":{}}`): "Operations[1].bulkId: expected a string, got an object", whole(`{"version":3}`): "Operations[1].version: expected a string, got a number", whole(`{"version":false}`): "Operations[1].version: expected a string, got a boolean",
		`{"failOnErrors":true,"Operations":[{}]}`: "failOnErrors: expected a number, got a boolean", `{"failOnErrors":[],"Operations":[{}]}`: "failOnErrors: expected a number, got a list", `{"failOnErrors":"many","Operations":[{}]}`: "failOnErrors: expected a positive whole number",
		`{"failOnErrors":-1,"Operations":[{}]}`: "failOnErrors: expected a positive whole number", `{"failOnErrors":1.5,"Operations":[{}]}`: "failOnErrors: expected a positive whole number",
		whole(person("a", "x") + `,` + person("b", "x")): "Operations[2].bulkId: the same as that of Operations[1]",
	} {
		a := w.do("POST", "/Bulk", body)
		if got := fmt.Sprint(a.json(t)["detail"]); a.status != 400 || got != want {
			t.Errorf("%s: %d %q, want %q", body, a.status, got, want)
		}
	}
	for op, want := range map[string]string{
		`{}`: "400 Operations[0].method: expected POST, PUT, PATCH or DELETE", `{"method":"GET","path":"/Users/ada@example.com"}`: "400 Operations[0].method: expected POST, PUT, PATCH or DELETE",
		`{"method":"POST","path":"/Users","data":{"userName":"x"}}`:                                                         "400 Operations[0].bulkId: a POST needs one, without quotes and backslashes",
		`{"method":"PATCH","path":"/Users/` + ada + `"}`:                                                                    "400 Operations[0].data: expected an object or a list of operations, got nothing",
		`{"method":"PATCH","path":"/Users/` + ada + `","data":"x"}`:                                                         "400 Operations[0].data: expected an object or a list of operations, got a string",
		`{"method":"PUT","path":"/Users/` + ada + `","data":[{"userName":"x"}]}`:                                            "400 Operations[0].data: expected an object, got a list",
		`{"method":"POST","path":"/Users","bulkId":"a","data":null}`:                                                        "400 Operations[0].data: expected an object, got null",
		`{"method":"DELETE","path":"/Users/bulkId:ada@example.com"}`:                                                        "400 Operations[0].path: refers to a bulkId that no POST of the request has",
		`{"method":"PATCH","path":"/Groups/gid","data":[{"op":"add","path":"members","value":["bulkId:ada@example.com"]}]}`: "400 Operations[0].data: refers to a bulkId that no POST of the request has",
	} {
		_, ops := w.results(bulkHead + `[` + op + `]}`)
		if got := fmt.Sprint(ops[0]["status"], " ", ops[0]["response"].(map[string]any)["detail"]); got != want {
			t.Errorf("%s: %q, want %q", op, got, want)
		}
	}
	if after := w.state(); after.all != before.all {
		t.Error("something was changed")
	}
}

// TestBulkReferencesInFilters refers in a filter to a user that the same bulk request creates.
func TestBulkReferencesInFilters(t *testing.T) {
	for _, literal := range []string{`\"bulkId:q\"`, `'bulkId:q'`, `bulkId:q`, `\u0022bulkId:q\u0022`, `\u0027bulkId:q\u0027`, `\u0022bulkId\u003Aq\u0022`, `\u0062ulkId:q`, `bulkId:\u0071`} {
		w := newWorld(t)
		w.seed()
		lines, _ := w.results(bulkHead + `[` + person("q@example.com", "q") + `,` +
			`{"method":"PATCH","path":"/Groups/gid","data":` + patchHead + `[{"op":"add","path":"members","value":[{"value":"bulkId:q"}]},{"op":"remove","path":"members[value eq \"u3\" or value eq ` + literal + `]"}]}}]}`)
		if want := []string{"q POST 201", "PATCH 204"}; !slices.Equal(lines, want) {
			t.Errorf("%s: %q", literal, lines)
		}
		if got := w.state().members["gid"]; slices.Contains(got, "u3") || slices.Contains(got, "new-1") {
			t.Errorf("%s: %v", literal, got)
		}
	}
}

// TestBulkReferencesWithOperators keeps the user that the same bulk request creates, by every
// operator that can name it.
func TestBulkReferencesWithOperators(t *testing.T) {
	for _, literal := range []string{`\"bulkId:q\"`, `'bulkId:q'`, `bulkId:q`, `\u0022bulkId:q\u0022`, `\u0027bulkId:q\u0027`} {
		for _, filter := range []string{"value ne %s", "value NE %s", "not (value eq %s)", "not (value sw %s)", "not (value co %s)", "not (value ew %s)", "value lt %s or value gt %s"} {
			w := newWorld(t)
			w.seed()
			filter = strings.ReplaceAll(filter, "%s", literal)
			w.results(bulkHead + `[` + person("q@example.com", "q") + `,{"method":"PATCH","path":"/Groups/gid","data":` + patchHead +
				`[{"op":"add","path":"members","value":"[{\u0022value\u0022:\u0022bulkId:q\u0022}]"},{"op":"remove","path":"members[` + filter + `]"}]}}]}`)
			if got := w.state().members["gid"]; !slices.Equal(got, []string{"new-1"}) {
				t.Errorf("%s: %v", filter, got)
			}
		}
	}
}

package scim_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestDeletedMemberChangesGroupVersion(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.must(200, "GET", "/Groups/gid", "")
	w.must(204, "DELETE", "/Users/"+linus, "")
	after := w.must(200, "GET", "/Groups/gid", "", "If-None-Match", before.header.Get("ETag"))
	if after.header.Get("ETag") == before.header.Get("ETag") || strings.Contains(string(after.body), linus) {
		t.Errorf("%s", after.body)
	}
	scimError(t, w.do("DELETE", "/Groups/gid", "", "If-Match", before.header.Get("ETag")), 412, "")
}

func TestEmptyStringIsUnassigned(t *testing.T) {
	w := newWorld(t)
	a := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","externalId":"","title":""}`).json(t)
	if a["title"] != nil || a["externalId"] != nil {
		t.Errorf("%v", a)
	}
}

func TestDuplicateElements(t *testing.T) {
	w := newWorld(t)
	a := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","emails":[{"value":"a@x","type":"work"},{"value":"a@x","type":"Work","primary":true},{"value":"a@x","type":"home"},{"type":"work"}]}`).json(t)
	if list := a["emails"].([]any); len(list) != 3 {
		t.Errorf("%v", list)
	}
}

// TestDuplicateElementStaysPrimary: the primary address decides which account a backend finds.
func TestDuplicateElementStaysPrimary(t *testing.T) {
	w := newWorld(t)
	const list = `"emails":[{"value":"b@x","type":"work"},{"value":"a@x","type":"work"},{"value":"a@x","type":"Work","primary":true}]`
	id := fmt.Sprint(w.must(201, "POST", "/Users", `{"userName":"x",`+list+`}`).json(t)["id"])
	for range 2 {
		a := fmt.Sprint(w.must(200, "GET", "/Users/"+id, "").json(t)["emails"])
		if a != "[map[type:work value:b@x] map[primary:true type:work value:a@x]]" {
			t.Error(a)
		}
		w.must(200, "PATCH", "/Users/"+id, patchHead+`[{"op":"replace","value":{`+list+`}}]}`)
	}
}

// TestPostEqualsPatch: a POST and a PATCH of the same attributes leave the same resource.
func TestPostEqualsPatch(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	for i, attributes := range []string{
		`"title":""`, `"title":null`, `"name":{"givenName":"","familyName":"x"}`, `"name":{"givenName":""}`, `"name":{}`, `"NickName":"x"`, `"active":"False"`, `"active":null`,
		`"emails":[{"value":"a@x"},{}]`, `"emails":[{"VALUE":"a@x","display":""}]`, `"roles":[{"value":null},{}]`, `"roles":["x","x"]`, `"addresses":[{"country":""},{"locality":"x","region":null}]`, `"addresses":{}`,
		`"` + ent + `":{}`, `"` + ent + `":{"manager":""}`, `"` + ent + `":{"manager":{"value":""},"department":"x"}`, `"` + ent + `":{"Manager":{}}`, `"` + ent + `:manager":"m"`, `"` + ent + `:department":""`, `"` + ent + `":{"foo":1,"division":"d"}`,
		`"emails":[{"value":"a@x","type":"work"},{"value":"a@x","type":"Work","primary":"True"}]`, `"foo":{"bar":[]}`,
	} {
		attributesOf := func(a map[string]any) string {
			for _, own := range []string{"id", "meta", "userName"} {
				delete(a, own)
			}
			return fmt.Sprint(a)
		}
		posted := attributesOf(w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":"a%d",%s}`, i, attributes)).json(t))
		id := fmt.Sprint(w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":"b%d"}`, i)).json(t)["id"])
		patched := attributesOf(w.must(200, "PATCH", "/Users/"+id, patchHead+`[{"op":"replace","value":{`+attributes+`}}]}`).json(t))
		if posted != patched {
			t.Errorf("%s\n POST  %s\n PATCH %s", attributes, posted, patched)
		}
		if strings.Contains(posted, "map[]") || strings.Contains(posted, ":]") {
			t.Errorf("%s: something is empty: %s", attributes, posted)
		}
	}
}

// TestFlatExtensionNames: flat names with their URN mean the same in a POST, a PUT and a PATCH.
func TestFlatExtensionNames(t *testing.T) {
	w := newWorld(t)
	w.seed()
	const group, ent = "urn:ietf:params:scim:schemas:core:2.0:Group", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w.must(200, "PUT", "/Groups/gid", `{"schemas":["`+group+`"],"`+group+`:displayName":"Flat","`+group+`:members":[]}`)
	if got := w.must(200, "GET", "/Groups/gid", "").json(t); got["displayName"] != "Flat" || len(got["members"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
	const user = "urn:ietf:params:scim:schemas:core:2.0:User"
	w.must(200, "PUT", "/Users/u1", `{"userName":"u1@example.com","`+strings.ToUpper(user)+`":{"active":"False","`+user+`:title":"t"}}`)
	if got := w.must(200, "GET", "/Users/u1", "").json(t); got["active"] != false || got["title"] != "t" {
		t.Errorf("%v", got)
	}
	scimError(t, w.do("PUT", "/Users/u1", `{"userName":"u1@example.com","active":false,"`+user+`":{"Active":true}}`), 400, "invalidSyntax")
	a := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","`+ent+`:department":"flat"}`).json(t)
	if got := fmt.Sprint(a[ent]); got != "map[department:flat]" {
		t.Errorf("%v", got)
	}
}

// TestRepeatedAttributeRefused: an attribute that is given twice, in any spelling, is refused. One
// program would read the first, another the last, and the client could empty a group or activate a
// user without knowing it.
func TestRepeatedAttributeRefused(t *testing.T) {
	const core, ent = "urn:ietf:params:scim:schemas:core:2.0:", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	w.seed()
	before := w.state()
	user, group := `{"userName":"u1@example.com",`, `{"displayName":"VT Admins",`
	for body, request := range map[string][2]string{
		group + `"members":["` + linus + `"],"member\u017f":[]}`:                                 {"PUT", "/Groups/gid"},
		group + `"members":["` + linus + `"],"` + core + `Group:members":[]}`:                    {"PUT", "/Groups/gid"},
		group + `"Members":["` + linus + `"],"` + core + `Group:members":[]}`:                    {"PUT", "/Groups/gid"},
		group + `"members":[{"value":"` + linus + `","value":"u1"}]}`:                            {"PUT", "/Groups/gid"},
		group + `"members":[{"value":"` + linus + `","Value":"u1"}]}`:                            {"PUT", "/Groups/gid"},
		user + `"active":false,"` + core + `User:active":true}`:                                  {"PUT", "/Users/u1"},
		user + `"name":{"givenName":"a","givenName":"b"}}`:                                       {"PUT", "/Users/u1"},
		user + `"u\u017ferName":"x"}`:                                                            {"PUT", "/Users/u1"},
		user + `"` + ent + `":{"department":"a"},"` + ent + `:department":"b"}`:                  {"PUT", "/Users/u1"},
		user + `"` + strings.ToUpper(ent) + `":{"department":"a"},"` + ent + `:Department":"b"}`: {"PUT", "/Users/u1"},
		patchHead + `[],"Operation\u017f":[{"op":"remove","path":"members"}]}`:                   {"PATCH", "/Groups/gid"},
		bulkHead + `[],"Operation\u017f":[{"method":"DELETE","path":"/Users/u1"}]}`:              {"POST", "/Bulk"},
		bulkHead + `[{"method":"DELETE","path":"/Users/unknown","Path":"/Users/u1"}]}`:           {"POST", "/Bulk"},
		`{"filter":"id eq \"u1\"","\u0066ilter":"id pr"}`:                                        {"POST", "/Users/.search"},
		`{"attribute\u017f":["id"],"attributes":["userName"]}`:                                   {"POST", "/Users/.search"},
	} {
		scimError(t, w.do(request[0], request[1], body), 400, "invalidSyntax")
	}
	if after := w.state(); after.all != before.all {
		t.Errorf("something was done: %s", after.all)
	}
}

// TestRepeatedAttributeNamed: the error names the repeated key.
func TestRepeatedAttributeNamed(t *testing.T) {
	w := newWorld(t)
	w.seed()
	many := ""
	for i := range 20 {
		many += fmt.Sprintf(`"k%d":1,`, i)
	}
	for body, want := range map[string]string{
		`{"userName":"x","name":{"givenName":"a","GivenName":"b"}}`:                 `the body has "GivenName" twice`,
		`{"userName":"x",` + many + `"b\u0061ng":1,"BANG":2}`:                       `the body has "BANG" twice`,
		`{"userName":"x","":1,"":2}`:                                                `the body has "" twice`,
		`{"` + strings.Repeat("n", 99) + `":1,"` + strings.Repeat("n", 99) + `":2}`: `the body has "` + strings.Repeat("n", 57) + `…" twice`,
	} {
		a := w.do("POST", "/Users", body)
		scimError(t, a, 400, "invalidSyntax")
		if got := a.json(t)["detail"]; got != want {
			t.Errorf("%s\ngot  %v\nwant %s", body, got, want)
		}
	}
}

// TestExtensionMustBeObject: an extension that is no object is refused, also next to flat
// attributes of it.
func TestExtensionMustBeObject(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	for value, kind := range map[string]string{`"x"`: "a string", `["x"]`: "a string", `3`: "a number"} {
		a := w.do("POST", "/Users", `{"userName":"x","`+ent+`":`+value+`,"`+ent+`:department":"b"}`)
		scimError(t, a, 400, "invalidValue")
		if got, want := a.json(t)["detail"], ent+": expected an object, got "+kind; got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
	w.must(201, "POST", "/Users", `{"userName":"x","`+ent+`":null,"`+ent+`:department":"b"}`)
}

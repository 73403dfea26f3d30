package scim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// valueCase gives an attribute a value in each of the ways that a client has.
type valueCase struct {
	name, attribute, value string
	want                   string // the attribute afterwards, as JSON; "" if it has no value; "400 …" names the detail of a refusal
}

// ways are the requests that give a user an attribute.
var ways = []struct {
	name, method string
	body         func(id, attribute, value string) string
}{
	{"replace with a path", "PATCH", func(_, attribute, value string) string {
		return patchHead + `[{"op":"replace","path":"` + attribute + `","value":` + value + `}]}`
	}},
	{"replace without a path", "PATCH", func(_, attribute, value string) string {
		return patchHead + `[{"op":"replace","value":{"` + attribute + `":` + value + `}}]}`
	}},
	{"a text without a path", "PATCH", func(_, attribute, value string) string {
		return patchHead + `[{"op":"replace","value":` + asText(`{"`+attribute+`":`+value+`}`) + `}]}`
	}},
	{"a list without a path", "PATCH", func(_, attribute, value string) string {
		return patchHead + `[{"op":"replace","value":[{"` + attribute + `":` + value + `}]}]}`
	}},
	{"a text in a list without a path", "PATCH", func(_, attribute, value string) string {
		return patchHead + `[{"op":"replace","value":[` + asText(`{"`+attribute+`":`+value+`}`) + `]}]}`
	}},
	{"PUT", "PUT", func(id, attribute, value string) string {
		return `{"userName":"` + id + `@example.com","` + attribute + `":` + value + `}`
	}},
	{"POST", "POST", func(_, attribute, value string) string {
		return `{"userName":"new@example.com","` + attribute + `":` + value + `}`
	}},
}

func asText(s string) string {
	b, _ := json.Marshal(s) // of a text: cannot fail
	return string(b)
}

// TestValues holds what a value means to be the same in every method: the attribute afterwards, or
// the error and no change.
func TestValues(t *testing.T) {
	for _, c := range []valueCase{
		{"a JSON text for a list", "emails", asText(`[{"value":"n@x","type":"work"}]`), `[{"type":"work","value":"n@x"}]`},
		{"a JSON text for an element", "emails", `[` + asText(`{"value":"n@x"}`) + `]`, `[{"value":"n@x"}]`},
		{"a JSON text for an object", "name", asText(`{"givenName":"N"}`), `{"givenName":"N"}`},
		{"a JSON text with space in front", "name", asText(" \n{\"givenName\":\"N\"}"), `{"givenName":"N"}`},
		{"a JSON text for an extension", extension, asText(`{"department":"N"}`), `{"department":"N"}`},
		{"a JSON text in a list for an extension", extension, `[` + asText(`{"department":"N"}`) + `]`, `{"department":"N"}`},
		{"a JSON text for a manager", extension + ":manager", asText(`{"value":"m"}`), ``},
		{"a JSON text with a byte order mark", "name", asText("\ufeff{\"givenName\":\"N\"}"), `{"givenName":"N"}`},
		{"a JSON text in a text", "emails", asText(asText(`[{"value":"n@x"}]`)), `[{"value":"n@x"}]`},
		{"a text that begins like JSON", "emails", asText(`[{"value":`), `400 emails: expected JSON in a string that begins with { or [`},
		{"an element that begins like JSON", "emails", `[` + asText(`{x`) + `]`, `400 emails[0]: expected JSON`},
		{"a JSON text with a key twice", "name", asText(`{"givenName":"a","GivenName":"b"}`), `400 name: expected JSON`},
		{"roles keep the text", "roles", `[` + asText(`{"value":"Admin"}`) + `]`, `[{"value":"{\"value\":\"Admin\"}"}]`},
		{"entitlements keep the text", "entitlements", asText(`[1`), `[{"value":"[1"}]`},
		{"a simple text that looks like JSON", "title", asText(`{x`), `"{x"`},

		{"a text in a list of one", "title", `["N"]`, `"N"`},
		{"a boolean in a list of one", "active", `[false]`, `false`},
		{"an object in a list of one", "name", `[{"givenName":["N"]}]`, `{"givenName":"N"}`},
		{"a part of an element in a list of one", "emails", `[{"value":["n@x"],"primary":["True"]}]`, `[{"primary":true,"value":"n@x"}]`},
		{"an empty list for a text", "title", `[]`, ``},
		{"null in a list of one", "title", `[null]`, ``},
		{"two values for one", "title", `["N","M"]`, `400 title: expected a single value, got a list of several`},
		{"two values for a part", "name", `{"givenName":["N","M"]}`, `400 name.givenName: expected a single value, got a list of several`},
		{"a list in a list", "title", `[["N"]]`, `400 title: expected a string, got a list`},

		{"an unknown key in an element", "emails", `[{"address":"n@x"}]`, `400 emails[0].address: no such attribute; expected value, display, type, primary`},
		{"an unknown key in an object", "emails", `{"address":"n@x"}`, `400 emails.address: no such attribute`},
		{"an unknown key next to a label", "emails", `[{"email":"n@x","type":"work"}]`, `400 emails[0].email: no such attribute`},
		{"an unknown key next to a display", "emails", `[{"email":"n@x","display":"N"}]`, `400 emails[0].email: no such attribute`},
		{"an unknown key next to the type of an address", "addresses", `[{"city":"N","type":"work"}]`, `400 addresses[0].city: no such attribute`},
		{"an unknown key next to an empty value", "emails", `[{"value":"","address":"n@x"}]`, `400 emails[0].address: no such attribute`},
		{"an empty extension", extension, `{}`, ``},
		{"an unknown key next to the value", "emails", `[{"value":"n@x","label":"L"}]`, `[{"value":"n@x"}]`},
		{"an unknown key in a name", "name", `{"first":"N"}`, `400 name.first: no such attribute`},
		{"an unknown key in an address", "addresses", `[{"city":"N"}]`, `400 addresses[0].city: no such attribute`},
		{"an unknown key in an extension", extension, `{"shoe":1}`, `400 ` + extension},
		{"an unknown key of a role", "roles", `[{"role":"N"}]`, `400 roles[0].role: no such attribute`},
		{"nothing, as null", "emails", `null`, ``},
		{"nothing, as a list", "emails", `[]`, ``},
		{"nothing, as a text", "emails", `""`, ``},
		{"nothing, as an object", "emails", `{}`, ``},
		{"nothing, as an element", "emails", `[{"value":""}]`, ``},
		{"no extension, as a text", extension, `""`, ``},
		{"nothing, as an unknown null", "emails", `[{"address":null}]`, ``},
		{"an element whose value is null", "emails", `[{"value":"n@x"},{"value":null,"type":"home","primary":true}]`, `[{"value":"n@x"}]`},
		{"an element whose value is empty", "phoneNumbers", `[{"value":"","type":"home"},{"value":"1"}]`, `[{"value":"1"}]`},

		{"its own name again", "emails", `{"emails":[{"value":"n@x"}]}`, `[{"value":"n@x"}]`},
		{"its own name in another case", "emails", `{"EMAILS":{"value":"n@x"}}`, `[{"value":"n@x"}]`},
		{"its own name in a list of one", "phoneNumbers", `[{"phonenumbers":["1"]}]`, `[{"value":"1"}]`},
		{"its own name twice", "emails", `{"emails":{"emails":[{"value":"n@x"}]}}`, `400 emails.emails: no such attribute`},

		{"a number for a text", "title", `701984`, `"701984"`},
		{"a number as it was written", "title", `1.10`, `"1.10"`},
		{"twenty digits", "title", `12345678901234567890`, `"12345678901234567890"`},
		{"an exponent", "title", `12e5`, `"12e5"`},
		{"a boolean for a text", "title", `true`, `"true"`},
		{"a number in an element", "phoneNumbers", `[{"value":5551234}]`, `[{"value":"5551234"}]`},
		{"a number for an employee", extension, `{"employeeNumber":701984}`, `{"employeeNumber":"701984"}`},
		{"an object for a text", "title", `{"value":"x"}`, `400 title: expected a string, got an object`},
		{"an object in an element", "phoneNumbers", `[{"value":"1"},{"value":{}}]`, `400 phoneNumbers[1].value: expected a string, got an object`},
		{"a number for a boolean", "active", `1`, `400 active: expected true or false, got a number`},
		{"a word for a boolean", "active", `"maybe"`, `400 active: expected true or false, got another string`},
		{"a text for an object", "name", `"Ada"`, `400 name: expected an object, got a string`},
		{"a boolean for an element", "emails", `[true]`, `400 emails[0]: expected an object, got a boolean`},
		{"no base64", "x509Certificates", `[{"value":"?"}]`, `400 x509Certificates[0].value: expected base64, got another string`},
		{"no base64, without its key", "x509Certificates", `"?"`, `400 x509Certificates: expected base64, got another string`},
		{"a number for base64", "x509Certificates", `[7]`, `400 x509Certificates[0]: expected base64, got a number`},
		{"no userName", "userName", `[]`, `400 userName: is required and cannot be empty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			for i, way := range ways {
				if c.attribute == "userName" && way.method != "PATCH" {
					continue
				}
				id := []string{"u1", "u2", "u3", "uid", "e02", "e03", "e04"}[i]
				c.check(t, w, way.name, way.method, way.body(id, c.attribute, c.value), id)
			}
		})
	}
}

func (c valueCase) check(t *testing.T, w *world, way, method, body, id string) {
	t.Helper()
	before := w.state()
	path := "/Users/" + id
	if method == "POST" {
		path = "/Users"
	}
	a := w.do(method, path, body)
	if detail, refused := strings.CutPrefix(c.want, "400 "); refused {
		scimError(t, a, 400, "invalidValue")
		if got := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(got, detail) {
			t.Errorf("%s: detail %q, want %q", way, got, detail)
		}
		if after := w.state(); after.all != before.all {
			t.Errorf("%s: something changed", way)
		}
		return
	}
	if a.status != 200 && a.status != 201 {
		t.Fatalf("%s: %d %s", way, a.status, a.body)
	}
	got := ""
	if v := a.json(t)[c.attribute]; v != nil {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got = string(text)
	}
	switch {
	case method == "PATCH" && c.attribute == "name" && strings.Contains(got, strings.Trim(c.want, "{}")): // a PATCH merges
	case c.attribute == extension+":manager":
		if ext := fmt.Sprint(a.json(t)[extension]); ext != "map[manager:map[value:m]]" {
			t.Errorf("%s: %s", way, ext)
		}
	case got != c.want:
		t.Errorf("%s: %s, want %s", way, got, c.want)
	}
}

// TestMembersValues gives a group members in every form, with every verb.
func TestMembersValues(t *testing.T) {
	const none, refused = "[]", "refused"
	w := newWorld(t)
	w.seed()
	for _, c := range []struct{ name, value, add, remove, replace string }{
		{"a list", `[{"value":"u1"}]`, "[+u1]", none, "[+u1 -g -l -m -n -u3]"},
		{"wrapped", `{"members":[{"value":"u3"}]}`, none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped in another case", `{"MEMBERS":["u3"]}`, none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped, one object", `{"members":{"value":"u3"}}`, none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped, a bare id", `{"members":"u3"}`, none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped in a list", `[{"members":["u3"]}]`, none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped, in a text", asText(`{"members":["u3"]}`), none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped, empty", `{"members":[]}`, none, none, "[-g -l -m -n -u3]"},
		{"wrapped, null", `{"members":null}`, none, refused, refused},
		{"empty", `[]`, none, none, "[-g -l -m -n -u3]"},
		{"null", `null`, none, refused, refused},
		{"a text", asText(`[{"value":"u3"}]`), none, "[-u3]", "[-g -l -m -n]"},
		{"a broken text", `"[{"`, refused, refused, refused},
		{"an empty text", `""`, none, refused, refused},
		{"an element without a value", `[{"value":"u3"},{"value":null},{"value":""},null]`, none, "[-u3]", "[-g -l -m -n]"},
		{"only elements without a value", `[{"value":null},{"value":""}]`, none, refused, refused},
		{"a value in a list of one", `[{"value":["u3"]}]`, none, "[-u3]", "[-g -l -m -n]"},
		{"a number", `[{"value":7}]`, "[+7]", none, "[+7 -g -l -m -n -u3]"},
		{"another key", `[{"id":"u3"}]`, refused, refused, refused},
		{"another key next to the value", `[{"value":"u3","id":"x"}]`, none, "[-u3]", "[-g -l -m -n]"},
		{"a value that is an empty list", `{"value":[]}`, none, refused, refused},
		{"a text with a byte order mark", asText("\ufeff[\"u3\"]"), none, "[-u3]", "[-g -l -m -n]"},
		{"wrapped next to another key", `{"members":["u3"],"displayName":"x"}`, refused, refused, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			for verb, want := range map[string]string{"add": c.add, "Remove": c.remove, "replace": c.replace} {
				requests := map[string]string{"with a path": patchHead + `[{"op":"` + verb + `","path":"members","value":` + c.value + `}]}`}
				if verb != "Remove" && c.value != "null" {
					requests["without a path"] = patchHead + `[{"op":"` + verb + `","value":{"Members":` + c.value + `}}]}`
				}
				for way, body := range requests {
					checkMembers(t, w, verb+" "+way, "PATCH", body, want)
				}
			}
			if c.value != "null" && !strings.Contains(c.value, "null}") {
				checkMembers(t, w, "PUT", "PUT", `{"displayName":"VT Admins","members":`+c.value+`}`, c.replace)
			}
		})
	}
}

// checkMembers sends a request to the group of the seed and compares what it gained and lost, by
// the first letter of the old ones.
func checkMembers(t *testing.T, w *world, way, method, body, want string) {
	t.Helper()
	w.t = t
	w.must(200, "PUT", "/Groups/gid", fmt.Sprintf(`{"displayName":"VT Admins","members":[%q,%q,%q,"u3","not-yet-a-user"]}`, linus, margaret, grace))
	before := w.state()
	a := w.do(method, "/Groups/gid", body)
	after := w.state()
	if want == "refused" {
		scimError(t, a, 400, "invalidValue")
		if after.all != before.all {
			t.Errorf("%s: something changed", way)
		}
		return
	}
	short := strings.NewReplacer(ada, "a", grace, "g", linus, "l", margaret, "m", "not-yet-a-user", "n")
	var changes []string
	for _, d := range delta(before, after, "gid") {
		changes = append(changes, short.Replace(d))
	}
	if got := sorted(changes); a.status >= 300 || got != want {
		t.Errorf("%s: %d %s, want %s: %s", way, a.status, got, want, a.body)
	}
}

func sorted(list []string) string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return fmt.Sprint(list)
}

// TestRemoveWithAValue removes what takes no value with one: a value of which nothing is known
// takes nothing away.
func TestRemoveWithAValue(t *testing.T) {
	for _, c := range []struct{ path, value, detail string }{
		{"name", `{"first":"x"}`, "name.first: no such attribute"},
		{"name", asText(`{"first":"x"}`), "name.first: no such attribute"},
		{extension, `{"shoe":1}`, extension + ":shoe: no such attribute"},
		{extension + ":manager", `[{"managerId":"x"}]`, extension + ":manager.managerId: no such attribute"},
		{`emails[type eq \"work\"]`, `{"address":"x"}`, "emails.address: no such attribute"},
		{"name", `null`, ""},
		{"name", `{}`, ""},
		{"name", `{"givenName":"x"}`, ""},
		{extension, `""`, ""},
		{extension, `{"department":"x"}`, ""},
		{extension + ":manager", `""`, ""},
		{extension + ":manager", `"m"`, ""},
		{"title", `{}`, ""},
	} {
		t.Run(c.path+" "+c.value, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			before := w.state()
			a := w.do("PATCH", "/Users/u1", patchHead+`[{"op":"remove","path":"`+c.path+`","value":`+c.value+`}]}`)
			if c.detail == "" {
				if a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
				return
			}
			scimError(t, a, 400, "invalidValue")
			if got := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(got, c.detail) {
				t.Errorf("detail %q, want %q", got, c.detail)
			}
			if w.state().all != before.all {
				t.Error("something changed")
			}
		})
	}
}

// TestReadOnlyPartClearsNothing gives a manager no more than the name, which only the server sets.
func TestReadOnlyPartClearsNothing(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	const managed = "/Users/a0a0a0a0-0000-4000-8000-000000000001"
	for _, op := range []string{"add", "replace"} {
		w.must(200, "PATCH", managed, patchHead+`[{"op":"`+op+`","path":"`+extension+`:manager","value":{"displayName":"Boss"}}]}`)
		w.must(200, "PATCH", managed, patchHead+`[{"op":"`+op+`","value":{"`+extension+`":{"manager":{"displayName":"Boss"}}}}]}`)
	}
	if w.state().all != before.all {
		t.Error("something changed")
	}
	a := w.must(201, "POST", "/Users", `{"userName":"n","`+extension+`":{"manager":{"displayName":"Boss"}}}`)
	if _, has := a.json(t)[extension]; has {
		t.Errorf("%s", a.body)
	}
}

// TestMembersWithoutPath sends the elements of members as a value without a path: nothing in it is
// an attribute of a group.
func TestMembersWithoutPath(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	for _, value := range []string{`[{"value":"u1"}]`, `{"value":"u1"}`, `{"people":["u1"]}`} {
		for _, path := range []string{``, `"path":"",`, `"path":"urn:ietf:params:scim:schemas:core:2.0:Group",`} {
			a := w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"add",`+path+`"value":`+value+`}]}`)
			scimError(t, a, 400, "invalidValue")
			if got := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(got, "no such attribute; expected displayName, externalId, members") {
				t.Errorf("%s: %s", value, got)
			}
		}
	}
	if w.state().all != before.all {
		t.Error("something changed")
	}
	for _, value := range []string{`{}`, `{"schemas":[]}`, `{"people":["u1"],"members":["u3"]}`, `{"urn:x:y":{"a":1}}`} {
		w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"add","value":`+value+`}]}`)
	}
}

// TestRemoveByTypeInAnyCase removes an element by a part whose letter case does not count.
func TestRemoveByTypeInAnyCase(t *testing.T) {
	w := newWorld(t)
	w.seed()
	for i, value := range []string{`[{"type":"WORK"}]`, `{"Type":"Work","primary":"True"}`, asText(`{"type":"wOrk"}`)} {
		id := []string{"u1", "u2", "u3"}[i]
		a := w.must(200, "PATCH", "/Users/"+id, patchHead+`[{"op":"remove","path":"emails","value":`+value+`}]}`)
		if left := a.json(t)["emails"]; left != nil {
			t.Errorf("%s: %v", value, left)
		}
	}
}

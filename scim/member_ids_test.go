package scim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// spellings are other ways to write the id of a user.
func spellings(id string) map[string]string {
	return map[string]string{"upper case": strings.ToUpper(id), "braces": "{" + id + "}", "upper case in braces": "{" + strings.ToUpper(id) + "}",
		"mixed case": strings.ToUpper(id[:12]) + id[12:]}
}

func patchBody(operation string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operation + `]}`
}

func TestMemberIDs(t *testing.T) {
	for spelling, odd := range spellings(ada) {
		t.Run("add "+spelling, func(t *testing.T) { testOddAdd(t, odd) })
		t.Run("remove "+spelling, func(t *testing.T) { testOddRemove(t, odd) })
		t.Run("replace "+spelling, func(t *testing.T) { testOddReplace(t, odd) })
		t.Run("filter "+spelling, func(t *testing.T) { testOddFilter(t, odd) })
		t.Run("address "+spelling, func(t *testing.T) { testOddAddress(t, odd) })
	}
}

// testOddAdd adds ada in an odd spelling: she is the member, and again changes nothing.
func testOddAdd(t *testing.T, odd string) {
	for name, op := range map[string]string{
		"list":    `{"op":"add","path":"members","value":[{"value":%q}]}`,
		"both":    `{"op":"add","path":"members","value":[{"value":%q},{"value":"` + ada + `"}]}`,
		"no path": `{"op":"add","value":{"members":[{"value":%q}]}}`,
	} {
		w := newWorld(t)
		w.seed()
		before := w.state()
		w.must(204, "PATCH", "/Groups/gid", patchBody(fmt.Sprintf(op, odd)))
		after := w.state()
		if got := delta(before, after, "gid"); !slices.Equal(got, []string{"+" + ada}) {
			t.Errorf("%s: members changed by %v", name, got)
		}
		if !slices.Contains(after.marks, "t-VT Admins "+ada) {
			t.Errorf("%s: she is not marked: %v", name, after.marks)
		}
		for _, again := range []string{odd, ada} {
			w.must(204, "PATCH", "/Groups/gid", patchBody(fmt.Sprintf(op, again)))
		}
		if again := w.state(); again.all != after.all || len(again.events) != len(after.events) {
			t.Errorf("%s: again changed something", name)
		}
	}
}

// testOddRemove removes ada in an odd spelling, by every form.
func testOddRemove(t *testing.T, odd string) {
	for name, op := range map[string]string{
		"value":       `{"op":"remove","path":"members","value":[{"value":%q}]}`,
		"filter":      `{"op":"remove","path":"members[value eq \"%s\"]"}`,
		"alternative": `{"op":"remove","path":"members[value eq \"stranger\" or value eq \"%s\"]"}`,
		"matching":    `{"op":"remove","path":"members[type eq \"User\" and value eq \"%s\"]"}`,
		"not others":  `{"op":"remove","path":"members[not (not (value eq \"%s\"))]"}`,
	} {
		w := newWorld(t)
		w.seed()
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"add","path":"members","value":[{"value":"`+ada+`"}]}`))
		before := w.state()
		w.must(204, "PATCH", "/Groups/gid", patchBody(fmt.Sprintf(op, odd)))
		if got := delta(before, w.state(), "gid"); !slices.Equal(got, []string{"-" + ada}) {
			t.Errorf("%s: members changed by %v", name, got)
		}
	}
	for _, filter := range []string{`not (value eq \"%s\")`, `value ne \"%s\"`} {
		w := newWorld(t)
		w.seed()
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"add","path":"members","value":[{"value":"`+ada+`"}]}`))
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"remove","path":"members[`+fmt.Sprintf(filter, odd)+`]"}`))
		if got := w.state().members["gid"]; !slices.Equal(got, []string{ada}) {
			t.Errorf("%s: left are %v", filter, got)
		}
	}
}

// testOddReplace gives whole lists with ada in two spellings: POST, PUT, PATCH, and a POST and PUT
// in a bulk request.
func testOddReplace(t *testing.T, odd string) {
	w := newWorld(t)
	w.seed()
	list := fmt.Sprintf(`[{"value":%q},{"value":%q},{"value":"%s"}]`, odd, ada, grace)
	want := []string{ada, grace}
	slices.Sort(want)
	id, _ := w.must(201, "POST", "/Groups", `{"displayName":"New","members":`+list+`}`).json(t)["id"].(string)
	if got := w.state().members[id]; !slices.Equal(got, want) {
		t.Errorf("POST: %v", got)
	}
	for name, send := range map[string]func(){
		"PUT": func() { w.must(200, "PUT", "/Groups/gid", `{"displayName":"VT Admins","members":`+list+`}`) },
		"PATCH": func() {
			w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"replace","path":"members","value":`+list+`}`))
		},
		"Bulk": func() {
			w.must(200, "POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
				{"method":"PUT","path":"/Groups/gid","data":{"displayName":"VT Admins","members":`+list+`}}]}`)
		},
	} {
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"replace","path":"members","value":[{"value":"u1"}]}`))
		send()
		after := w.state()
		if got := after.members["gid"]; !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
		send()
		if again := w.state(); again.all != after.all || len(again.events) != len(after.events) {
			t.Errorf("%s: again changed something", name)
		}
	}
}

func testOddFilter(t *testing.T, odd string) {
	w := newWorld(t)
	w.seed()
	w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"add","path":"members","value":[{"value":"`+ada+`"}]}`))
	for path, want := range map[string]float64{
		`/Users?filter=id eq "%s"`: 1, `/Users?filter=id eq "%s" and active eq true`: 1, `/Users?filter=id ne "%s"`: 13, `/Users?filter=emails[value eq "%s"]`: 0,
		`/Groups?filter=members.value eq "%s"`: 1, `/Groups?filter=members eq "%s"`: 1, `/Groups?filter=members[value eq "%s"]`: 1,
		`/Groups?filter=displayName eq "VT Admins" and members.value eq "%s"`: 1, `/Groups?filter=not (members.value eq "%s")`: 0, `?filter=id eq "%s"`: 1,
	} {
		head, filter, _ := strings.Cut(path, "filter=")
		a := w.must(200, "GET", head+"filter="+url.QueryEscape(fmt.Sprintf(filter, odd)), "")
		if got := a.json(t)["totalResults"]; got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// testOddAddress reads, changes and deletes by an odd address, with braces as they are and escaped.
func testOddAddress(t *testing.T, odd string) {
	w := newWorld(t)
	w.seed()
	for _, address := range []string{odd, url.PathEscape(odd), strings.ToLower(url.PathEscape(odd)) + "/"} {
		if got := w.must(200, "GET", "/Users/"+address, "").json(t)["id"]; got != ada {
			t.Errorf("GET %s: %v", address, got)
		}
	}
	w.must(200, "PATCH", "/Users/"+url.PathEscape(odd), patchBody(`{"op":"replace","path":"active","value":false}`))
	if w.state().active[ada] {
		t.Error("she is still active")
	}
	w.must(200, "PUT", "/Users/"+url.PathEscape(odd), `{"userName":"ada@example.com","active":true}`)
	a := w.must(200, "POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/`+odd+`","data":`+
		patchBody(`{"op":"replace","path":"title","value":"Countess"}`)+`}]}`)
	if !strings.Contains(string(a.body), `"status":"200"`) || !strings.Contains(string(a.body), "/Users/"+ada) {
		t.Errorf("Bulk: %s", a.body)
	}
	w.must(204, "DELETE", "/Users/"+url.PathEscape(odd), "")
	w.must(404, "GET", "/Users/"+ada, "")
	w.must(404, "GET", "/Users/"+url.PathEscape(odd), "")
}

// TestMemberIDsAsSent holds what stays as it was sent.
func TestMemberIDsAsSent(t *testing.T) {
	t.Run("an id of no user", func(t *testing.T) {
		w := newWorld(t)
		w.seed()
		unknown := "{0AAAAAAA-0000-4000-8000-000000000001}"
		w.must(204, "PATCH", "/Groups/gid", patchBody(fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, unknown)))
		if got := w.state().members["gid"]; !slices.Contains(got, unknown) {
			t.Errorf("%v", got)
		}
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"remove","path":"members[value eq \"`+unknown+`\"]"}`))
		if got := w.state().members["gid"]; slices.Contains(got, unknown) {
			t.Errorf("%v", got)
		}
	})
	t.Run("an id that is exactly a user's", func(t *testing.T) {
		w := newWorld(t)
		w.seed()
		upper := strings.ToUpper(ada)
		w.putUser(upper, "upper@example.com")
		w.must(204, "PATCH", "/Groups/gid", patchBody(fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, upper)))
		if got := w.state().members["gid"]; !slices.Contains(got, upper) || slices.Contains(got, ada) {
			t.Errorf("%v", got)
		}
		if got := w.must(200, "GET", "/Users/"+upper, "").json(t)["userName"]; got != "upper@example.com" {
			t.Errorf("%v", got)
		}
	})
}

// putUser puts a user into the directory with an id that no client could choose.
func (w *world) putUser(id, name string) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		at := time.Unix(1_767_225_600, 0).UTC()
		return tx.Directory("acme").PutUser(store.User{ID: id, UserName: name, Active: true, Version: 1, Created: at, Modified: at, Attributes: json.RawMessage(`{"userName":"` + name + `","active":true}`)})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestMemberIDsFromBefore has a member in an odd spelling from before there was such a user.
func TestMemberIDsFromBefore(t *testing.T) {
	const later = "0aaaaaaa-0000-4000-8000-000000000001"
	upper := strings.ToUpper(later)
	for name, step := range map[string]struct {
		op    string
		delta []string
	}{
		"add it again":       {`{"op":"add","path":"members","value":[{"value":"` + upper + `"}]}`, []string{"+" + later, "-" + upper}},
		"remove it":          {`{"op":"remove","path":"members","value":[{"value":"` + upper + `"}]}`, []string{"-" + upper}},
		"remove by a filter": {`{"op":"remove","path":"members[value eq \"` + upper + `\"]"}`, []string{"-" + upper}},
		"remove matching":    {`{"op":"remove","path":"members[value eq \"` + upper + `\" and value sw \"0\"]"}`, []string{"-" + upper}},
		"remove others":      {`{"op":"remove","path":"members[value ne \"` + upper + `\"]"}`, []string{"-u1"}},
		"remove not it":      {`{"op":"remove","path":"members[not (value eq \"` + upper + `\")]"}`, []string{"-u1"}},
		"replace":            {`{"op":"replace","path":"members","value":[{"value":"u1"},{"value":"` + upper + `"}]}`, []string{"+" + later, "-" + upper}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"replace","path":"members","value":[{"value":"u1"},{"value":"`+upper+`"}]}`))
			w.putUser(later, "later@example.com")
			if got := w.must(200, "GET", "/Groups?filter="+url.QueryEscape(`members.value eq "`+upper+`"`), "").json(t)["totalResults"]; got != 1.0 {
				t.Errorf("found %v", got)
			}
			before := w.state()
			w.must(204, "PATCH", "/Groups/gid", patchBody(step.op))
			if got := delta(before, w.state(), "gid"); !slices.Equal(got, step.delta) {
				t.Errorf("members changed by %v", got)
			}
		})
	}
	t.Run("remove both spellings at once", func(t *testing.T) {
		w := newWorld(t)
		w.seed()
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"add","path":"members","value":[{"value":"`+upper+`"}]}`))
		w.putUser(later, "later@example.com")
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"add","path":"members","value":[{"value":"`+later+`"}]}`))
		before := w.state()
		w.must(204, "PATCH", "/Groups/gid", patchBody(`{"op":"remove","path":"members","value":[{"value":"`+upper+`"}]}`))
		if got := delta(before, w.state(), "gid"); !slices.Equal(got, []string{"-" + upper, "-" + later}) && !slices.Equal(got, []string{"-" + later, "-" + upper}) {
			t.Errorf("members changed by %v", got)
		}
	})
}

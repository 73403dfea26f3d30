package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each test here is named after something that was wrong once.

func TestAUserDoesNotGrowBeyondItsLimit(t *testing.T) {
	w := newWorld(t)
	w.seed()
	big := strings.Repeat("x", 200_000)
	set := func(attribute string) answer {
		return w.do("PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","path":"`+attribute+`","value":"`+big+`"}]}`)
	}
	if a := set("title"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	scimError(t, set("nickName"), 413, "")
	if got := w.must(200, "GET", "/Users/"+ada, ""); len(got.body) > 300_000 {
		t.Errorf("%d bytes", len(got.body))
	}
}

func TestManyValuesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.seed()
	var list []string
	for i := range 501 {
		list = append(list, fmt.Sprintf(`{"value":"a%d@example.com"}`, i))
	}
	body := func(n int) string {
		return patchHead + `[{"op":"add","path":"emails","value":[` + strings.Join(list[:n], ",") + `]}]}`
	}
	scimError(t, w.do("PATCH", "/Users/"+ada, body(501)), 400, "invalidValue")
	for _, op := range []string{ // several operations are no way around it: each value is compared with all that there are
		`{"op":"add","path":"emails","value":[` + strings.Join(list[:100], ",") + `]}`,
		`{"op":"add","value":{"emails":[` + strings.Join(list[:100], ",") + `]}}`,
		strings.TrimSuffix(strings.Repeat(`{"op":"replace","path":"emails[type eq \"home\"].value","value":"a@example.com"},`, 100), ","),
		strings.TrimSuffix(strings.Repeat(`{"op":"remove","path":"emails.display"},`, 100), ","),
	} {
		scimError(t, w.do("PATCH", "/Users/"+ada, patchHead+`[`+strings.Repeat(op+",", 5)+`{"op":"remove","path":"emails"}]}`), 400, "invalidValue")
	}
	if a := w.do("PATCH", "/Users/"+ada, body(400)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestManyRemovalsByOtherFiltersAreRefused(t *testing.T) {
	w := newWorld(t)
	w.seed()
	ops := func(n int) string {
		one := `{"op":"remove","path":"members[type eq \"x\"]"}`
		return patchHead + `[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	scimError(t, w.do("PATCH", "/Groups/gid", ops(21)), 400, "invalidFilter")
	w.must(204, "PATCH", "/Groups/gid", ops(20))
}

func TestDeletingAMemberChangesTheGroupsVersion(t *testing.T) {
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

func TestWhatIsNotKeptOfAMemberCannotBeFiltered(t *testing.T) {
	w := newWorld(t)
	w.seed()
	for _, path := range []string{`members[display ne \"zz\"]`, `members[not (display eq \"zz\")]`, `members[foo eq \"zz\"]`} {
		scimError(t, w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":"`+path+`"}]}`), 400, "invalidPath")
	}
	scimError(t, w.do("GET", "/Groups?filter=not%20(members.display%20eq%20%22zz%22)", ""), 400, "invalidFilter")
	if got := len(w.membersOf("gid")); got != 5 {
		t.Errorf("%d members are left", got)
	}
}

func TestPartsOfMembersAndExtensionsAreProjected(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	w.seed()
	managed := "/Users/a0a0a0a0-0000-4000-8000-000000000001"
	for _, c := range []struct{ path, part, want string }{
		{"/Groups/gid?attributes=members.value", "members", "map[value:" + linus + "]"},
		{"/Groups/gid?excludedAttributes=members.value,members.type", "members", "map[$ref:"},
		{"/Groups?attributes=members.type&filter=id%20eq%20%22gid%22", "Resources", "members:[map[type:User]"},
		{managed + "?attributes=" + ent + ":manager.value", ent, "map[manager:map[value:00aa00aa-0000-4000-8000-000000000002]]"},
		{managed + "?excludedAttributes=" + ent + ":manager.value", ent, "<nil>"},
		{managed + "?excludedAttributes=name.givenName,name.familyName", "name", "<nil>"},
		{managed + "?attributes=urn:ietf:params:scim:schemas:core:2.0:User", "userName", "managed@example.com"},
		{managed + "?attributes=urn:ietf:params:scim:schemas:core:2.0:User", ent, "<nil>"},
		{managed + "?excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:User", ent, "map[manager:"},
		{managed + "?excludedAttributes=urn:ietf:params:scim:schemas:core:2.0:User", "userName", "<nil>"},
	} {
		if got := fmt.Sprint(w.must(200, "GET", c.path, "").json(t)[c.part]); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s is %s, want %s", c.path, c.part, got, c.want)
		}
	}
}

func TestWhatCannotBeSortedIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{"/Users?sortBy=groups.display", "/Users?sortBy=groups", "/Groups?sortBy=members", "/Groups?sortBy=members.value"} {
		scimError(t, w.do("GET", query, ""), 400, "invalidValue")
	}
}

func TestAnEmptyTextIsNoValueAnywhere(t *testing.T) {
	w := newWorld(t)
	a := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","externalId":"","title":""}`).json(t)
	if a["title"] != nil || a["externalId"] != nil {
		t.Errorf("%v", a)
	}
}

func TestTwinsAreOne(t *testing.T) {
	w := newWorld(t)
	a := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","emails":[{"value":"a@x","type":"work"},{"value":"a@x","type":"Work","primary":true},{"value":"a@x","type":"home"},{"type":"work"}]}`).json(t)
	if list := a["emails"].([]any); len(list) != 3 {
		t.Errorf("%v", list)
	}
}

// Which of two that are one is primary decides whom a backend finds.
func TestATwinStaysPrimary(t *testing.T) {
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

// A POST and a PATCH of the same attributes leave the same resource.
func TestAPostAndAPatchMeanTheSame(t *testing.T) {
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

// Flat names with their URN mean in a POST or PUT what they mean in a PATCH.
func TestFlatNamesInAWholeResource(t *testing.T) {
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

// What is said twice, in whatever spelling, is not said: one reader would take the first, another the last, and a group could be
// emptied or somebody be activated by what the client does not know it has sent.
func TestWhatIsGivenTwiceIsRefused(t *testing.T) {
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
		bulkHead + `[{"method":"DELETE","path":"/Users/nobody","Path":"/Users/u1"}]}`:            {"POST", "/Bulk"},
		`{"filter":"id eq \"u1\"","\u0066ilter":"id pr"}`:                                        {"POST", "/Users/.search"},
		`{"attribute\u017f":["id"],"attributes":["userName"]}`:                                   {"POST", "/Users/.search"},
	} {
		scimError(t, w.do(request[0], request[1], body), 400, "invalidSyntax")
	}
	if after := w.state(); after.all != before.all {
		t.Errorf("something was done: %s", after.all)
	}
}

// Which key it is can be read, also in a body of which somebody else wrote the serializer.
func TestWhatIsGivenTwiceIsNamed(t *testing.T) {
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

// An extension that is no object is refused as that, also where attributes are named below its URN.
func TestAnExtensionIsAnObject(t *testing.T) {
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

// Whoever asks for an attribute that cannot be is not given all the others.
func TestALongNameIsNoneThatWasNotAsked(t *testing.T) {
	w := newWorld(t)
	w.seed()
	long := strings.Repeat("n", 300)
	for _, path := range []string{"/Users/" + ada + "?attributes=" + long, "/Groups/gid?attributes=" + long, "/Groups/gid?attributes=" + long + "," + long} {
		if got := w.must(200, "GET", path, "").json(t); len(got) != 2 || got["id"] == nil || got["schemas"] == nil {
			t.Errorf("%s: %v", path[:30], got)
		}
	}
	if got := w.must(200, "GET", "/Groups/gid?excludedAttributes="+long, "").json(t); got["displayName"] == nil || got["members"] == nil {
		t.Errorf("%v", got)
	}
}

func TestNamesOfAMembersPartsIgnoreCase(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(200, "PUT", "/Groups/gid", `{"displayName":"VT Admins","members":[{"Value":"u1","Type":"User"},"u2"]}`)
	if got := w.membersOf("gid"); !slices.Equal(got, []string{"User u1", "User u2"}) {
		t.Errorf("%q", got)
	}
}

// An extension may come in two forms and in another case at once; nothing of it is lost.
func TestFormsOfAnExtensionAreOne(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	for i := range 20 { // the order of a map is another one every time
		a := w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":"u%d","%s":{"department":"a"},"%s:employeeNumber":"7"}`, i, strings.ToUpper(ent), ent)).json(t)
		if got := fmt.Sprint(a[ent]); got != "map[department:a employeeNumber:7]" {
			t.Fatal(got)
		}
	}
}

// Names that look the same are the same (RFC 7644 section 5 asks for one preparation of strings).
func TestNamesAreComparedAsTheyLook(t *testing.T) {
	w := newWorld(t)
	create := func(name string) answer {
		return w.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`"}`)
	}
	for first, twin := range map[string]string{"jos\u00e9@x.com": "jose\u0301@x.com", "ada@x": "\uff41da@X", "stra\u00dfe": "STRA\u00dfE"} {
		if a := create(first); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		scimError(t, create(twin), 409, "uniqueness")
	}
	page := w.must(200, "GET", "/Users?filter=userName%20eq%20%22jose%CC%81@x.com%22", "").json(t)
	if got := ids(t, page); !slices.Equal(got, []string{"new-1"}) && len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// What a filter finds does not depend on whether an index answers it.
func TestAnIndexFindsWhatTheFilterSays(t *testing.T) {
	w := newWorld(t)
	names := []string{"kim", "\u212aim", "sam", "\u017fam", "ilya", "\u0130lya", "\u0131lya", "stra\u00dfe", "STRASSE", "\u03b1\u03c2", "\u03b1\u03c3", "\uff41da", "ada", "o\ufb03ce", "office", "jos\u00e9", "jose\u0301"}
	for _, n := range names { // some of them are the same name to the server
		w.do("POST", "/Users", fmt.Sprintf(`{"userName":%q,"emails":[{"value":%q}]}`, n, n))
		w.do("POST", "/Groups", fmt.Sprintf(`{"displayName":%q}`, n))
	}
	for _, n := range names {
		for path, attribute := range map[string]string{"/Users": "userName", "/Users?": "emails.value", "/Users??": "emails", "/Groups": "displayName"} {
			find := func(filter string) []string {
				page := w.must(200, "POST", strings.TrimRight(path, "?")+"/.search", fmt.Sprintf(`{"filter":%q}`, filter)).json(t)
				return ids(t, page)
			}
			term := fmt.Sprintf(`%s eq "%s"`, attribute, n)
			want := find(term)
			if len(want) == 0 {
				t.Errorf("%s finds nothing", term)
			}
			for _, filter := range []string{term + " and id pr", term + ` or id eq "nobody"`} {
				if got := find(filter); !slices.Equal(got, want) {
					t.Errorf("%s finds %q, %s finds %q", term, want, filter, got)
				}
			}
		}
	}
}

func TestFiltersOverMembers(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(201, "POST", "/Groups", `{"displayName":"Empty"}`)
	w.must(201, "POST", "/Groups", `{"displayName":"Nested","members":["gid"]}`)
	for filter, want := range map[string][]string{
		`members.type eq "User"`:                      {"VT Admins"},
		`members[type eq "Group" and value eq "gid"]`: {"Nested"},
		`members pr`:       {"Nested", "VT Admins"},
		`not (members pr)`: {"Empty"},
		`members ne "gid"`: {"Empty", "VT Admins"},
		`members.value sw "not-yet" or displayName sw "e"`:    {"Empty", "VT Admins"},
		`members eq "` + linus + `" and members.type pr`:      {"VT Admins"},
		`members.$ref co "/Groups/" and members.value ew "d"`: {"Nested"},
		`members.value eq "nobody" or members eq null`:        {"Empty"},
	} {
		page := w.must(200, "POST", "/Groups/.search", fmt.Sprintf(`{"filter":%q}`, filter)).json(t)
		var got []string
		for _, g := range page["Resources"].([]any) {
			got = append(got, fmt.Sprint(g.(map[string]any)["displayName"]))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", filter, got, want)
		}
	}
}

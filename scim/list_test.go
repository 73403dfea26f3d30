package scim_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// ids lists the resources of a page.
func ids(t *testing.T, page map[string]any) []string {
	t.Helper()
	list, ok := page["Resources"].([]any)
	if !ok {
		t.Fatalf("no list: %v", page)
	}
	var out []string
	for _, r := range list {
		id, _ := r.(map[string]any)["id"].(string)
		out = append(out, id)
	}
	if page["itemsPerPage"] != float64(len(out)) {
		t.Errorf("itemsPerPage %v of %d", page["itemsPerPage"], len(out))
	}
	return out
}

// people makes users whose names, families and titles are in different orders, and a few groups.
func (w *world) people() {
	w.t.Helper()
	for i, p := range []struct{ name, family, title string }{
		{"dora", "Zed", "b"}, {"Anna", "young", ""}, {"carl", "Xu", "A"}, {"Bert", "wolf", "b"}, {"emil", "Vogt", ""}, {"Finn", "ulm", "C"}, {"gus", "Tal", "a"},
	} {
		w.clock.Add(1)
		title := ""
		if p.title != "" {
			title = `,"title":"` + p.title + `"`
		}
		w.must(201, "POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":%t,"name":{"familyName":%q}%s}`, p.name, i%2 == 0, p.family, title))
	}
	for _, g := range []string{"gamma", "Alpha", "beta"} {
		w.must(201, "POST", "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q}`, g))
	}
}

// TestOrderAndPages lists by every order, in one page, in pages by index and in pages by cursor:
// all three say the same.
func TestOrderAndPages(t *testing.T) {
	w := newWorld(t)
	w.people()
	for _, c := range []struct{ path, query, want string }{
		{"/Users", "", "1234567"},
		{"/Users", "sortBy=userName", "2431567"},
		{"/Users", "sortBy=userName&sortOrder=descending", "7651342"},
		{"/Users", "sortBy=urn:ietf:params:scim:schemas:core:2.0:User:USERNAME&sortOrder=Ascending", "2431567"},
		{"/Users", "sortBy=name.familyName", "7654321"},
		{"/Users", "sortBy=title", "3714625"},                      // without one last
		{"/Users", "sortBy=title&sortOrder=descending", "2561437"}, // or first
		{"/Users", "sortBy=meta.created&sortOrder=descending", "7654321"},
		{"/Users", "sortBy=active", "2461357"},
		{"/Users", "sortOrder=descending", "1234567"}, // says nothing without sortBy
		{"/Users", "filter=active eq true", "1357"},
		{"/Users", "filter=active eq true&sortBy=userName&sortOrder=descending", "7513"},
		{"/Users", `filter=title pr&sortBy=name.familyName`, "764 31"},
		{"/Users", `filter=userName eq "ANNA"`, "2"},
		{"/Users", `filter=userName eq "ANNA" or userName sw "g"`, "27"},
		{"/Users", `filter=userName eq "unknown"`, ""},
		{"/Groups", "sortBy=displayName", "9a8"},
		{"/Groups", "sortBy=displayName&sortOrder=descending", "8a9"},
		{"", "", "123456789a"},
		{"", "sortBy=displayName", "9a81234567"},
		{"", `filter=displayName sw "a" or userName sw "a"`, "29"},
		{"", `filter=userName eq "dora"`, "1"},
		{"", `filter=not (userName pr)`, "89a"},
		{"", `filter=meta.resourceType eq "Group"`, "89a"},
		{"", `filter=urn:ietf:params:scim:schemas:core:2.0:Group:displayName eq "beta"`, "a"},
	} {
		var want []string
		for _, r := range strings.ReplaceAll(c.want, " ", "") {
			want = append(want, map[bool]string{true: "new-10", false: "new-" + string(r)}[r == 'a'])
		}
		values, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		encoded := values.Encode()
		where := c.path + "?" + c.query
		page := w.must(200, "GET", c.path+"?"+encoded, "").json(t)
		if got := ids(t, page); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", where, got, want)
		}
		if page["totalResults"] != float64(len(want)) {
			t.Errorf("%s: totalResults %v", where, page["totalResults"])
		}
		for count := 1; count <= 8; count++ {
			var byIndex, byCursor, bySearch []string
			for start := 1; start <= len(want)+1; start += count {
				page := w.must(200, "GET", fmt.Sprintf("%s?%s&startIndex=%d&count=%d", c.path, encoded, start, count), "").json(t)
				if page["totalResults"] != float64(len(want)) || page["nextCursor"] != nil {
					t.Errorf("%s from %d: %v", where, start, page)
				}
				byIndex = append(byIndex, ids(t, page)...)
			}
			for cursor, more := "", true; more; {
				page := w.must(200, "GET", fmt.Sprintf("%s?%s&cursor=%s&count=%d", c.path, encoded, cursor, count), "").json(t)
				if n, given := page["totalResults"]; given && n != float64(len(want)) || page["startIndex"] != nil {
					t.Errorf("%s at %q: %v", where, cursor, page)
				}
				got := ids(t, page)
				byCursor = append(byCursor, got...)
				if cursor, more = page["nextCursor"].(string); more && len(got) != count {
					t.Errorf("%s: a page of %d, and another one follows", where, len(got))
				}
			}
			body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"}, "count": count, "startIndex": 1}
			for name := range values {
				body[name] = values.Get(name)
			}
			for cursor, more := any(""), true; more; {
				body["cursor"] = cursor
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				page := w.must(200, "POST", c.path+"/.search", string(text)).json(t)
				bySearch = append(bySearch, ids(t, page)...)
				cursor, more = page["nextCursor"]
			}
			for how, got := range map[string][]string{"index": byIndex, "cursor": byCursor, "search": bySearch} {
				if !slices.Equal(got, want) {
					t.Errorf("%s, pages of %d by %s: %v, want %v", where, count, how, got, want)
				}
			}
		}
	}
}

// TestCursorAfterChanges goes on after resources that are gone, and sees each that stays exactly
// once.
func TestCursorAfterChanges(t *testing.T) {
	for _, query := range []string{"", "&sortBy=userName", "&sortBy=name.familyName&sortOrder=descending", "&filter=userName%20pr"} {
		w := newWorld(t)
		w.people()
		first := w.must(200, "GET", "/Users?cursor&count=3"+query, "").json(t)
		seen := ids(t, first)
		last := seen[len(seen)-1]
		w.must(204, "DELETE", "/Users/"+last, "")
		w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"AAA","name":{"familyName":"zzz"}}`)
		next, _ := first["nextCursor"].(string)
		for next != "" {
			page := w.must(200, "GET", "/Users?cursor="+next+"&count=3"+query, "").json(t)
			seen = append(seen, ids(t, page)...)
			next, _ = page["nextCursor"].(string)
		}
		slices.Sort(seen)
		seen = slices.DeleteFunc(seen, func(id string) bool { return id == "new-11" }) // came meanwhile: seen or not
		if want := []string{"new-1", "new-2", "new-3", "new-4", "new-5", "new-6", "new-7"}; !slices.Equal(seen, want) {
			t.Errorf("%q: %v", query, seen)
		}
	}
}

// olderCursor is a cursor as another version of the server would have made it: see cursor.go.
func olderCursor(t *testing.T, cursor string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:len(b)-4]
	b[0]++
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// TestListErrors is what a list refuses, with the words of RFC 7644 and RFC 9865.
func TestListErrors(t *testing.T) {
	w := newWorld(t)
	w.people()
	page := w.must(200, "GET", "/Users?cursor&count=2&filter=active%20pr", "").json(t)
	next, ok := page["nextCursor"].(string)
	if !ok || strings.Trim(next, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~") != "" {
		t.Fatalf("cursor %q", next)
	}
	changed := []byte(next)
	changed[len(changed)/2] ^= 1
	for query, want := range map[string]string{
		"cursor=nonsense": "invalidCursor", "cursor=%21": "invalidCursor", "cursor=" + strings.Repeat("A", 3000): "invalidCursor",
		"count=2&filter=active%20pr&cursor=" + string(changed):      "invalidCursor",
		"count=2&filter=title%20pr&cursor=" + next:                  "invalidCursor", // of another query
		"count=2&cursor=" + next:                                    "invalidCursor",
		"count=3&filter=active%20pr&cursor=" + next:                 "invalidCount",
		"count=2&filter=active%20pr&cursor=" + olderCursor(t, next): "expiredCursor", // of another form
		"cursor&count=two":                                          "invalidCount",
		"count=two":                                                 "invalidValue", "startIndex=x": "invalidValue", "sortBy=nothing": "invalidValue", "sortBy=name": "invalidValue",
		"sortBy=userName&sortOrder=up": "invalidValue", "filter=nothing%20eq%201": "invalidFilter", "filter=userName": "invalidFilter",
	} {
		scimError(t, w.do("GET", "/Users?"+query, ""), 400, want)
	}
	scimError(t, w.do("GET", "/Users?count=2&filter=active%20pr&cursor="+next, "", "Authorization", "Bearer "+otherToken), 400, "invalidCursor")
	scimError(t, w.do("GET", "?filter=nothing%20pr", ""), 400, "invalidFilter")
	for body, want := range map[string]string{
		`[]`: "invalidSyntax", `{"count":"many"}`: "invalidValue", `{"count":1.5}`: "invalidValue",
		`{"filter":"userName zz 1"}`: "invalidFilter", `{"cursor":"x"}`: "invalidCursor", `{"filter":"` + strings.Repeat("(", 5000) + `"}`: "invalidFilter",
	} {
		for _, path := range []string{"/.search", "/Users/.search", "/Groups/.search"} {
			scimError(t, w.do("POST", path, body), 400, want)
		}
	}
	for _, count := range []string{"0", "-1"} {
		page := w.must(200, "GET", "/Users?cursor&filter=userName%20co%20%22a%22&count="+count, "").json(t)
		if page["totalResults"] != 3.0 || len(ids(t, page)) != 0 || page["nextCursor"] != nil {
			t.Errorf("count=%s: %v", count, page)
		}
	}
}

func TestSearchProjects(t *testing.T) {
	w := newWorld(t)
	w.seed()
	page := w.must(200, "POST", "/Users/.search", `{"filter":"userName eq \"ADA@example.com\"","attributes":["userName"],"sortBy":null,"cursor":null}`).json(t)
	if got := page["Resources"].([]any)[0].(map[string]any); len(got) != 3 || got["userName"] != "ada@example.com" {
		t.Errorf("%v", got)
	}
	page = w.must(200, "POST", "/.search", `{"filter":"displayName eq \"vt admins\"","excludedAttributes":["members"]}`).json(t)
	if got := page["Resources"].([]any)[0].(map[string]any); got["members"] != nil || got["id"] != "gid" {
		t.Errorf("%v", got)
	}
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
		"filter=active%20eq%20true&startIndex=13&count=5": {14, 2}, "filter=userName%20sw%20%22u%22": {5, 5}, "filter=userName%20eq%20%22unknown%22": {0, 0},
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

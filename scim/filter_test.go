package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A filter means the same on every path: by an index, by a walk, and within a PATCH.

func TestFilterOnMemberDisplay(t *testing.T) {
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

func TestSortByRefused(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{"/Users?sortBy=groups.display", "/Users?sortBy=groups", "/Groups?sortBy=members", "/Groups?sortBy=members.value"} {
		scimError(t, w.do("GET", query, ""), 400, "invalidValue")
	}
}

// TestNameComparison: names that look the same are the same (RFC 7644 section 5 prepares strings).
func TestNameComparison(t *testing.T) {
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

// TestIndexAgreesWithFilter: a filter finds the same with an index and without.
func TestIndexAgreesWithFilter(t *testing.T) {
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
			for _, filter := range []string{term + " and id pr", term + ` or id eq "unknown"`} {
				if got := find(filter); !slices.Equal(got, want) {
					t.Errorf("%s finds %q, %s finds %q", term, want, filter, got)
				}
			}
		}
	}
}

func TestFilterOverMembers(t *testing.T) {
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
		`members.value eq "unknown" or members eq null`:       {"Empty"},
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

package scim_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestParameters finds the parameters of a list in any letter case.
func TestParameters(t *testing.T) {
	w := newWorld(t)
	w.people()
	for query, want := range map[string]string{
		"FILTER=userName%20eq%20%22anna%22": "2", "Filter=userName%20eq%20%22anna%22": "2", "%66ilter=userName%20eq%20%22anna%22": "2", "fiLter=userName+eq+%22anna%22": "2",
		"StartIndex=3&Count=2": "34", "startindex=3&count=2": "34", "STARTINDEX=3&COUNT=2": "34",
		"SortBy=userName&SortOrder=descending": "7651342", "sortby=userName&sortorder=DESCENDING": "7651342", "Cursor=&Count=2": "12", "CURSOR&count=2": "12",
		"filter=": "1234567", "filter": "1234567", "filter=%20": "1234567", "filter=+&startIndex=6": "67", "FILTER=": "1234567", "filter=&filter=id%20eq%20%22new-3%22": "3",
		"filter=id%20eq%20%22new-3%22&Filter=id%20eq%20%22new-3%22": "3", "count=2&count=2": "12", "count=2&Count=%202": "12", "count=&count=2": "12", "count=99999999999999999999": "1234567", "startIndex=99999999999999999999": "", "startIndex=-99999999999999999999": "1234567",
		"unknown=1&aadOptscim062020": "1234567", "attributes=id&ATTRIBUTES=userName": "1234567",
	} {
		var ask []string
		for _, r := range want {
			ask = append(ask, "new-"+string(r))
		}
		if got := ids(t, w.must(200, "GET", "/Users?"+query, "").json(t)); !slices.Equal(got, ask) {
			t.Errorf("%s: %v, want %v", query, got, ask)
		}
	}
	for query, want := range map[string][2]string{
		"filter=id%20eq%20%221%22&filter=id%20eq%20%222%22": {"invalidFilter", "filter: "}, "filter=id%20eq%20%221%22&FILTER=id%20eq%20%222%22": {"invalidFilter", "filter: "},
		"count=1&Count=2": {"invalidValue", "count: "}, "startIndex=1&startindex=2": {"invalidValue", "startIndex: "}, "sortBy=id&sortBy=userName": {"invalidValue", "sortBy: "}, "cursor=a&cursor=b": {"invalidValue", "cursor: "},
		"filter[]=id%20pr": {"invalidFilter", `called "filter"`}, "filter%5B%5D=id%20pr": {"invalidFilter", `called "filter"`}, "filter[0]=id%20pr": {"invalidFilter", `called "filter"`}, "filter[userName]=x": {"invalidFilter", `called "filter"`},
		"filters=id%20pr": {"invalidFilter", `called "filter"`}, "$filter=id%20pr": {"invalidFilter", `called "filter"`}, "count=1&amp;filter=id%20pr": {"invalidFilter", `called "filter"`}, "amp%3Bfilter=id%20pr": {"invalidFilter", `called "filter"`}, "filter%20=id%20pr": {"invalidFilter", `called "filter"`},
		"Count=two": {"invalidValue", "count: expected a whole number"}, "COUNT=1.5": {"invalidValue", "count: "}, "StartIndex=x": {"invalidValue", "startIndex: "}, "SortBy=nothing": {"invalidValue", "sortBy: "}, "sortBy=id&SortOrder=up": {"invalidValue", "sortOrder: "},
	} {
		a := w.do("GET", "/Users?"+query, "")
		scimError(t, a, 400, want[0])
		if detail := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(detail, want[1]) {
			t.Errorf("%s: %q, want %q", query, detail, want[1])
		}
	}
	if got := w.must(200, "GET", "/Users/new-1?Attributes=userName", "").json(t); len(got) != 3 || got["userName"] != "dora" {
		t.Errorf("%v", got)
	}
	if got := w.must(200, "PATCH", "/Users/new-1?ExcludedAttributes=userName&filter=x", patchHead+`[{"op":"replace","path":"title","value":"t"}]}`).json(t); got["userName"] != nil || got["title"] != "t" {
		t.Errorf("%v", got)
	}
	for query, want := range map[string]int{"filter=": 200, "Filter=%20": 200, "FILTER=id%20pr": 403} {
		w.must(want, "GET", "/Schemas?"+query, "")
	}
}

// TestProjectionOfAnElement asks for attributes with a filter, as Microsoft's collection of
// requests does.
func TestProjectionOfAnElement(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(200, "PATCH", "/Users/"+ada, patchHead+`[{"op":"add","path":"emails","value":[{"type":"home","value":"a,b@example.com"}]}]}`)
	for attributes, want := range map[string]string{
		`emails[type eq "work"]`: "emails id schemas", `emails[type eq 'work']`: "emails id schemas", `emails[value eq "a,b@example.com"]`: "emails id schemas", `emails[value eq 'a,b@example.com']`: "emails id schemas",
		`emails[value eq "a,b"].value`: "emails id schemas", `EMAILS[type eq "work" and value co "]"].value,userName`: "emails id schemas userName", ` emails[ type eq "work" ] , name.givenName `: "emails id name schemas",
		`userName,emails[type eq "work" or value eq "\","]`: "emails id schemas userName", `emails[not (type eq "work")],active`: "active emails id schemas",
		`urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"]`: "emails id schemas", `userName,`: "id schemas userName", ``: "active displayName emails groups id meta name schemas userName",
	} {
		for how, a := range map[string]answer{
			"GET":    w.do("GET", "/Users/"+ada+"?attributes="+url.QueryEscape(attributes), ""),
			"PHP":    w.do("GET", "/Users/"+ada+"?attributes[0]="+url.QueryEscape(attributes), ""),
			"PATCH":  w.do("PATCH", "/Users/"+ada+"?attributes="+url.QueryEscape(attributes), patchHead+`[]}`),
			"search": w.do("POST", "/Users/.search", fmt.Sprintf(`{"filter":"id eq \"%s\"","attributes":%q}`, ada, attributes)),
			"list":   w.do("POST", "/Users/.search", fmt.Sprintf(`{"filter":"id eq \"%s\"","attributes":[%q]}`, ada, attributes)),
		} {
			got := a.json(t)
			if list, ok := got["Resources"].([]any); ok && len(list) == 1 {
				got = list[0].(map[string]any)
			}
			var keys []string
			for k := range got {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			if strings.Join(keys, " ") != want {
				t.Errorf("%s %s: %q, want %q: %s", how, attributes, keys, want, a.body)
			}
			if list, ok := got["emails"].([]any); strings.Contains(want, "emails") && (!ok || len(list) != 2 || list[1].(map[string]any)["type"] != "home") {
				t.Errorf("%s %s: %v", how, attributes, got["emails"])
			}
		}
	}
	version := w.must(200, "GET", "/Users/"+ada, "").header.Get("ETag")
	for _, c := range [][2]string{
		{"attributes", `emails[type eq "work"`}, {"attributes", `emails[type eq "work]`}, {"attributes", `emails]`}, {"attributes", `emails[]`}, {"attributes", `[type eq "work"]`}, {"attributes", `emails[type zz 1]`}, {"attributes", `emails[type eq "work"]x`},
		{"attributes", `emails[type eq "work"][type eq "home"]`}, {"attributes", `"userName"`}, {"attributes", `userName,emails[type eq "work"`}, {"attributes", `emails[value eq "` + strings.Repeat("x,", 3000) + `"]`},
		{"excludedAttributes", `emails[type eq "work"]`}, {"excludedAttributes", `name,emails[type eq "work"].value`}, {"excludedAttributes", `emails[`}, {"excludedAttributes", `emails]`},
	} {
		for how, a := range map[string]answer{
			"GET":    w.do("GET", "/Users/"+ada+"?"+c[0]+"="+url.QueryEscape(c[1]), ""),
			"list":   w.do("GET", "/Users?"+c[0]+"="+url.QueryEscape(c[1]), ""),
			"PATCH":  w.do("PATCH", "/Users/"+ada+"?"+c[0]+"="+url.QueryEscape(c[1]), patchHead+`[{"op":"replace","path":"title","value":"t"}]}`),
			"search": w.do("POST", "/.search", fmt.Sprintf(`{%q:%q}`, c[0], c[1])),
		} {
			scimError(t, a, 400, "invalidValue")
			if detail := fmt.Sprint(a.json(t)["detail"]); !strings.HasPrefix(detail, c[0]+": ") {
				t.Errorf("%s %s: %q", how, c[1], detail)
			}
		}
	}
	if got := w.must(200, "GET", "/Users/"+ada, "").header.Get("ETag"); got != version {
		t.Errorf("something was changed: %s, before %s", got, version)
	}
}

// TestSearchBody reads the forms in which clients write a search.
func TestSearchBody(t *testing.T) {
	w := newWorld(t)
	w.seed()
	for body, want := range map[string][2]int{ // totalResults, attributes of the first resource
		"": {14, 9}, "  \r\n": {14, 9}, "{}": {14, 9}, `{"schemas":[]}`: {14, 9}, `{"schemas":"urn:other"}`: {14, 9}, `{"schemas":["urn:other"," "]}`: {14, 9}, `{"schemas":null}`: {14, 9}, `{"schemas":7}`: {14, 9},
		`{"attributes":"userName","count":1}`: {14, 3}, `{"attributes":"userName, active","count":"1"}`: {14, 4}, `{"attributes":["userName","active"]}`: {14, 4}, `{"attributes":["userName,active"]}`: {14, 4}, `{"Attributes":"userName"}`: {14, 3},
		`{"attributes":""}`: {14, 9}, `{"attributes":[]}`: {14, 9}, `{"attributes":null,"excludedAttributes":null,"filter":null,"sortBy":null,"sortOrder":null,"startIndex":null,"count":null,"cursor":null}`: {14, 9},
		`{"excludedAttributes":"emails,name"}`: {14, 7}, `{"excludedattributes":["emails","name"]}`: {14, 7}, `{"startIndex":"1","count":"5"}`: {14, 9}, `{"startIndex":1,"count":5}`: {14, 9}, `{"STARTINDEX":-1,"COUNT":5}`: {14, 9}, `{"count":""}`: {14, 9},
		`{"filter":"","unknown":{"a":[1]}}`: {14, 9}, `{"Filter":"userName eq \"ada@example.com\""}`: {1, 9}, `{"sortOrder":"descending","sortBy":"userName"}`: {14, 9}, `{"domain":"x"}`: {14, 9},
	} {
		page := w.must(200, "POST", "/Users/.search", body).json(t)
		first := page["Resources"].([]any)[0].(map[string]any)
		if page["totalResults"] != float64(want[0]) || len(first) != want[1] {
			t.Errorf("%s: totalResults %v, %d attributes: %v", body, page["totalResults"], len(first), first)
		}
	}
	for path, want := range map[string]float64{"/.search": 15, "/Groups/.search": 1, "/groups/.SEARCH/": 1, "//.Search": 15, "/USERS//.search": 14} {
		if page := w.must(200, "POST", path, "").json(t); page["totalResults"] != want {
			t.Errorf("%s without a body: %v", path, page["totalResults"])
		}
	}
	if page := w.must(200, "POST", "/Users/.search", `{"count":"3","startIndex":"13"}`).json(t); page["itemsPerPage"] != 2.0 || page["startIndex"] != 13.0 {
		t.Errorf("%v", page)
	}
	for body, want := range map[string][2]string{
		`{"count":{}}`: {"invalidSyntax", "count: expected a number, got an object"}, `{"startIndex":[1]}`: {"invalidSyntax", "startIndex: expected a number, got a list"}, `{"Count":true}`: {"invalidSyntax", "count: expected a number, got a boolean"},
		`{"filter":7}`: {"invalidSyntax", "filter: expected a string, got a number"}, `{"filter":{"userName":"x"}}`: {"invalidSyntax", "filter: expected a string, got an object"}, `{"filter":["id pr"]}`: {"invalidSyntax", "filter: expected a string, got a list"},
		`{"sortBy":false}`: {"invalidSyntax", "sortBy: expected a string, got a boolean"}, `{"sortOrder":1}`: {"invalidSyntax", "sortOrder: expected a string, got a number"}, `{"cursor":{}}`: {"invalidSyntax", "cursor: expected a string, got an object"},
		`{"attributes":{"userName":true}}`: {"invalidSyntax", "attributes: expected a list, got an object"}, `{"attributes":["userName",5]}`: {"invalidSyntax", "attributes[1]: expected a string, got a number"}, `{"excludedAttributes":[null]}`: {"invalidSyntax", "excludedAttributes[0]: expected a string, got null"},
		`{"count":"many"}`: {"invalidValue", "count: expected a whole number"}, `{"count":1.5}`: {"invalidValue", "count: expected a whole number"}, `{"filters":"id pr"}`: {"invalidFilter", `called "filter"`}, `{"sortBy":"x"}`: {"invalidValue", "sortBy: "},
	} {
		for _, path := range []string{"/.search", "/Users/.search", "/Groups/.search"} {
			a := w.do("POST", path, body)
			scimError(t, a, 400, want[0])
			if detail := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(detail, want[1]) {
				t.Errorf("%s %s: %q, want %q", path, body, detail, want[1])
			}
		}
	}
}

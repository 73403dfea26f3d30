package scim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// misquoted are ways in which a client quotes a value and that nothing here reads, with what the
// error must say of them. % is the value.
var misquoted = map[string]string{
	"“%”": "typographic", "”%”": "typographic", "„%“": "typographic", "‘%’": "typographic", "’%’": "typographic", "‚%‘": "typographic", "«%»": "typographic",
	"»%«": "typographic", "‹%›": "typographic", "´%´": "typographic", "′%′": "typographic", "″%″": "typographic", "＂%＂": "typographic", "＇%＇": "typographic",
	"｀%｀": "typographic", "「%」": "typographic", "❝%❞": "typographic", "\u02bc%\u02bc": "typographic", "`%`": "backtick", "``%''": "backtick",
	"&quot;%&quot;": "HTML", "&#34;%&#34;": "HTML", "&#39;%&#39;": "HTML", "&#x27;%&#x27;": "HTML", "&apos;%&apos;": "HTML", "&amp;quot;%&amp;quot;": "HTML", "&ldquo;%&rdquo;": "HTML",
	"%22%%22": "percent", "%27%%27": "percent", "%2522%%2522": "percent", "%E2%80%9C%%E2%80%9D": "percent", "%u201C%%u201D": "percent",
	"N'%'": "ends with", "N“%”": "ends with", `N"%"`: "double quote", "E'%'": "ends with", `\"%\"`: "double quote", `\'%\'`: "backslash", `\\"%\\"`: "double quote", `\u0022%\u0022`: "backslash",
	`"%`: "not closed", "'%": "not closed", "“%": "typographic", `%"`: "double quote", "%'": "ends with", "%”": "ends with", "%`": "ends with", "%&quot;": "ends with", "%%22": "ends with",
	`"%'`: "not closed", `'%"`: "not closed", `“%"`: "", `"%”`: "not closed", "'%’": "not closed", `"%"x`: "directly after", "'%'x": "directly after", `"%""`: "directly after", "'%''": "directly after", "'O'%'": "directly after",
	"\u00a0'%'": "hidden", "\u200b“%”": "hidden", "\ufeff\"%\"": "double quote", "“%”\u200b": "typographic",
}

// quoted puts value in the place of the % between the quotes.
func quoted(form, value string) string {
	for _, escape := range []string{"%2522", "%22", "%27", "%E2%80%9C", "%E2%80%9D", "%u201C", "%u201D"} {
		form = strings.ReplaceAll(form, escape, strings.ReplaceAll(escape, "%", "\x00"))
	}
	return strings.ReplaceAll(strings.Replace(form, "%", value, 1), "\x00", "%")
}

// searches are the places that take a filter: it is sent, and the answer comes back.
func (w *world) searches() map[string]func(filter string) answer {
	all := map[string]func(string) answer{}
	for _, path := range []string{"/Users", "/Groups", ""} {
		all["GET "+path] = func(filter string) answer { return w.do("GET", path+"?filter="+url.QueryEscape(filter), "") }
		all["POST "+path+"/.search"] = func(filter string) answer {
			return w.do("POST", path+"/.search", fmt.Sprintf(`{"filter":%s}`, asJSON(filter)))
		}
	}
	return all
}

func asJSON(s string) string {
	b, _ := json.Marshal(s) // a text can always be written
	return string(b)
}

// TestFilterQuotes sends every quote but " and ' to each endpoint that takes a filter: each is
// refused. Read as a part of the value it would select nothing, or with ne and not everything.
func TestFilterQuotes(t *testing.T) {
	const marker = "zzmarker"
	w := newWorld(t)
	w.seed()
	for name, search := range w.searches() {
		for form, kind := range misquoted {
			for _, condition := range []string{"externalId eq %s", "id ne %s", "not (externalId co %s)", "meta.created gt %s"} {
				filter := fmt.Sprintf(condition, quoted(form, marker))
				a := search(filter)
				if a.status != 400 {
					t.Errorf("%s %s: %d %s", name, filter, a.status, a.body)
					continue
				}
				scimError(t, a, 400, "invalidFilter")
				if detail := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(detail, kind) || strings.Contains(detail, marker) {
					t.Errorf("%s %s: %s", name, filter, detail)
				}
			}
		}
	}
	for form := range misquoted {
		for _, op := range []string{"eq", "ne"} {
			scimError(t, w.searches()["GET /Users"]("active "+op+" "+quoted(form, "true")), 400, "invalidFilter")
		}
	}
}

// TestFilterStrings finds users by strings in quotes of both kinds, and by a word with an
// apostrophe.
func TestFilterStrings(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(201, "POST", "/Users", `{"userName":"O'Neil","externalId":"a\"b'c","title":"“x” & &quot;"}`)
	for filter, want := range map[string]int{
		`userName eq 'ADA@example.com'`: 1, `userName eq 'ada@example.com' or userName eq "grace@example.com"`: 2, `not (userName eq 'ada@example.com')`: 14, `userName ne 'ada@example.com'`: 14,
		`emails[type eq 'work' and value eq 'ada@example.com']`: 1, `emails[type eq 'work'].value eq 'ada@example.com'`: 1, `userName sw 'ada' and active eq 'True'`: 1, `(userName ew'@email')`: 1,
		`userName eq O'Neil`: 1, `userName eq "O'Neil"`: 1, `userName eq 'O\'Neil'`: 1, `userName eq 'O\u0027Neil'`: 1, `userName co 'x"y'`: 0, `not (userName eq o'neil)`: 14,
		`externalId eq 'a"b\'c'`: 1, `externalId eq "a\"b'c"`: 1, `title eq '“x” & &quot;'`: 1, `title co "“"`: 1, `title ew '&quot;'`: 1, `title eq ''`: 0,
	} {
		a := w.must(200, "GET", "/Users?filter="+url.QueryEscape(filter), "").json(t)
		if a["totalResults"] != float64(want) {
			t.Errorf("%s finds %v, want %d", filter, a["totalResults"], want)
		}
	}
	for name, search := range w.searches() {
		if !strings.Contains(name, "Groups") {
			continue
		}
		if a := search(`displayName eq 'vt admins' and members[value eq '` + linus + `']`); a.status != 200 || a.json(t)["totalResults"] != 1.0 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestFilterWords compares words with texts as they were written, not as the number or boolean of
// JSON.
func TestFilterWords(t *testing.T) {
	texts := []string{"12e5", "1796.10", "1e9", "1E8", "007", "-0", "0.10", "1e400", "False", "TRUE", "null", "117923456789012345678", "0x10", "NaN", "O'Neil", "AT&T", `DOM\user`, "100%", "a;b"}
	w := newWorld(t)
	for _, text := range texts {
		w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":%s,"externalId":%[1]s,"title":%[1]s}`, asJSON("u "+text)))
		w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":%s,"externalId":%[1]s,"title":%[1]s,"emails":[{"value":%[1]s}]}`, asJSON(text+"x")))
	}
	for i, text := range texts {
		id := fmt.Sprint(w.must(201, "POST", "/Users", fmt.Sprintf(`{"userName":"n%d","externalId":%s,"emails":[{"value":%[2]s,"type":%[2]s}]}`, i, asJSON(text))).json(t)["id"])
		for _, filter := range []string{"externalId eq %s", "not (externalId ne %s)", `emails[type eq %s and value pr].value eq %[1]s and externalId eq %[1]s`, "userName sw n and externalId eq %s"} {
			if strings.Contains(filter, "ne") && strings.EqualFold(text, "null") {
				continue // without an externalId: nothing here is
			}
			filter = fmt.Sprintf(filter, text)
			a := w.must(200, "GET", "/Users?filter="+url.QueryEscape(filter), "").json(t)
			if a["totalResults"] != 1.0 || a["Resources"].([]any)[0].(map[string]any)["id"] != id {
				t.Errorf("%s finds %v", filter, a["totalResults"])
			}
		}
	}
}

// TestFilterNull holds that null without quotes is no value or, where there is one, that text.
func TestFilterNull(t *testing.T) {
	w := newWorld(t)
	w.must(201, "POST", "/Users", `{"userName":"a"}`)
	w.must(201, "POST", "/Users", `{"userName":"b","externalId":"null","title":"Null","emails":[{"value":"null"}]}`)
	w.must(201, "POST", "/Users", `{"userName":"c","externalId":"nullable","title":"T","active":true,"emails":[{"value":"e@x"}]}`)
	for filter, want := range map[string]string{
		`externalId eq null`: "a b", `externalId ne null`: "c", `not (externalId eq null)`: "c", `externalId eq "null"`: "b", `externalId ne "null"`: "a c", `externalId eq NULL`: "a",
		`title eq null`: "a b", `title eq NULL`: "a b", `title ne null`: "c", `title co null`: "b", `externalId sw null`: "b c", `active ne null`: "a b c", `userName eq null`: "",
		`emails.value eq null`: "a b", `emails.value ne null`: "c", `emails eq null`: "a", `emails[value eq null]`: "b", `externalId eq null and userName eq b`: "b",
	} {
		var got []string
		for _, u := range w.must(200, "GET", "/Users?filter="+url.QueryEscape(filter), "").json(t)["Resources"].([]any) {
			got = append(got, fmt.Sprint(u.(map[string]any)["userName"]))
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s finds %v, want %s", filter, got, want)
		}
	}
	for _, filter := range []string{`title gt null`, `active co null`, `active eq "null"`, `meta.created sw null`} {
		scimError(t, w.do("GET", "/Users?filter="+url.QueryEscape(filter), ""), 400, "invalidFilter")
	}
}

// valuePaths are paths of a PATCH of the user ada with a literal in them, and a value.
var valuePaths = map[string]string{
	`emails[type eq %s].value`: `"n@x"`, `emails[value ne %s].display`: `"n"`, `emails[not (value eq %s)]`: `{"value":"n@x"}`, `emails[primary eq %s].value`: `"n@x"`,
	`phoneNumbers[type eq %s].value`: `"1"`, `addresses[type eq %s].locality`: `"Bonn"`, `roles[value eq %s].display`: `"r"`, `roles[type eq "x" or value co %s]`: `{"value":"r"}`,
	`urn:ietf:params:scim:schemas:core:2.0:User:ims[type eq %s].value`: `"n"`,
}

// TestPatchQuotes sends value paths with every other quote, also as a key and in a bulk request:
// the whole request is refused.
func TestPatchQuotes(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state().all
	refused := func(a answer) {
		t.Helper()
		scimError(t, a, 400, "invalidPath")
		if strings.Contains(string(a.body), "zzmarker") {
			t.Errorf("repeats the value: %s", a.body)
		}
	}
	for form := range misquoted {
		literal := quoted(form, "zzmarker")
		for path, value := range valuePaths {
			path := asJSON(fmt.Sprintf(path, literal))
			refused(w.do("PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","path":"title","value":"x"},{"op":"add","path":`+path+`,"value":`+value+`}]}`))
			refused(w.do("PATCH", "/Users/"+ada, patchHead+`[{"op":"remove","path":`+path+`}]}`))
			refused(w.do("PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","value":{"title":"x",`+path+`:`+value+`}}]}`))
		}
		for _, filter := range []string{"value eq %s", "value ne %s", "not (value eq %s)", `value eq "u3" or value eq %s`, `value eq %s or value eq "u3"`, "type eq %s"} {
			for _, part := range []string{"", ".display"} {
				path := asJSON(fmt.Sprintf("members["+filter+"]"+part, literal))
				refused(w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":`+path+`}]}`))
			}
		}
		_, ops := w.results(bulkHead + `[{"method":"PATCH","path":"/Groups/gid","data":` + patchHead + `[{"op":"remove","path":` + asJSON("members[value ne "+literal+"]") + `}]}},` +
			`{"method":"PATCH","path":"/Users/` + ada + `","data":` + patchHead + `[{"op":"replace","path":` + asJSON("emails[type eq "+literal+"].value") + `,"value":"n@x"}]}}]}`)
		for _, op := range ops {
			if fmt.Sprint(op["status"]) != "400" || !strings.Contains(fmt.Sprint(op["response"]), "invalidPath") {
				t.Errorf("%s: %v", literal, op)
			}
		}
	}
	if after := w.state().all; after != before {
		t.Errorf("changed from\n%s\nto\n%s", before, after)
	}
}

// TestPatchStrings patches by value paths whose string is in quotes of either kind, or in none.
func TestPatchStrings(t *testing.T) {
	for name, c := range map[string]struct{ operation, attribute, want string }{
		"replace":         {`{"op":"replace","path":"emails[type eq 'work'].value","value":"new@x"}`, "emails", "[map[primary:true type:work value:new@x]]"},
		"replace as key":  {`{"op":"replace","value":{"emails[type eq 'work'].value":"new@x"}}`, "emails", "[map[primary:true type:work value:new@x]]"},
		"add an element":  {`{"op":"add","path":"phoneNumbers[type eq 'mobile'].value","value":"1"}`, "phoneNumbers", "[map[type:mobile value:1]]"},
		"a word":          {`{"op":"add","path":"phoneNumbers[type eq mobile].value","value":"1"}`, "phoneNumbers", "[map[type:mobile value:1]]"},
		"a number":        {`{"op":"add","path":"phoneNumbers[type eq 1e3].value","value":"1"}`, "phoneNumbers", "[map[type:1e3 value:1]]"},
		"a boolean":       {`{"op":"add","path":"roles[primary eq 'True'].value","value":"r"}`, "roles", "[map[primary:true value:r]]"},
		"a boolean word":  {`{"op":"add","path":"roles[primary eq TRUE and type eq False].value","value":"r"}`, "roles", "[map[primary:true type:False value:r]]"},
		"an apostrophe":   {`{"op":"add","path":"addresses[type eq 'O\\'Neil'].locality","value":"x"}`, "addresses", "[map[locality:x type:O'Neil]]"},
		"in a word":       {`{"op":"add","path":"addresses[type eq O'Neil].locality","value":"x"}`, "addresses", "[map[locality:x type:O'Neil]]"},
		"remove":          {`{"op":"remove","path":"emails[value eq 'ada@example.com']"}`, "emails", "<nil>"},
		"remove a part":   {`{"op":"remove","path":"emails[not (type eq 'home')].primary"}`, "emails", "[map[type:work value:ada@example.com]]"},
		"keeps the other": {`{"op":"remove","path":"emails[value ne 'ada@example.com']"}`, "emails", "[map[primary:true type:work value:ada@example.com]]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			if got := fmt.Sprint(w.must(200, "PATCH", "/Users/"+ada, patchHead+"["+c.operation+"]}").json(t)[c.attribute]); got != c.want {
				t.Errorf("%s is %s, want %s", c.attribute, got, c.want)
			}
		})
	}
}

// TestMembersByFilter removes members by their value in every form, and no others.
func TestMembersByFilter(t *testing.T) {
	all := []string{linus, margaret, grace, "u3", "not-yet-a-user"}
	for path, gone := range map[string][]string{
		"members[value eq 'u3']": {"u3"}, "MEMBERS [ VALUE  EQ  'u3' ] ": {"u3"}, "members[value eq u3]": {"u3"}, "members[value eq 'u3' or value eq \"" + linus + "\" OR value eq " + grace + "]": {"u3", linus, grace},
		"urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq 'u3']": {"u3"}, "urn:ietf:params:scim:schemas:core:2.0:group.members[value eq u3]": {"u3"}, "members[(value eq 'u3' or value eq 'u2')]": {"u3"},
		"members[not (value eq 'u3')]": {linus, margaret, grace, "not-yet-a-user"}, "members[value ne 'u3']": {linus, margaret, grace, "not-yet-a-user"}, "members[value eq 'u3' and type eq 'User']": {"u3"}, "members[value eq 'U3']": {},
		`members[display eq "x" and value eq "u3"]`: {"u3"}, `members[value eq 'u3' and DISPLAY eq x]`: {"u3"}, `members[(display eq "x") and value eq u3 and type eq "User"]`: {"u3"}, `members[display eq "x" and value eq "u3" and type eq "Group"]`: {},
		"members[value eq 'u3'].display": {}, `members[value eq "a]b"]`: {}, `members[value eq "].display"]`: {},
	} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t)
			w.seed()
			w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":`+asJSON(path)+`}]}`)
			want := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(gone, id) })
			if slices.Sort(want); !slices.Equal(w.state().members["gid"], want) {
				t.Errorf("left are %v, want %v", w.state().members["gid"], want)
			}
		})
	}
}

// TestMembersByDisplay refuses filters that name no member: the display of a member is not kept.
func TestMembersByDisplay(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state().all
	for _, filter := range []string{
		`display eq "x"`, `display eq "x" or value eq "u3"`, `value eq "u3" or display eq "x"`, `not (display eq "x")`, `value eq "u3" and not (display eq "x")`, `value eq "u3" and display ne "x"`,
		`value eq "u3" and display pr`, `value eq "u3" and (display eq "x" or type eq "User")`, `display eq "x" and type eq "User"`, `display eq "x" and value co "u"`, `(value eq "u3" or value eq "u2") and display eq "x"`,
	} {
		a := w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":`+asJSON("members["+filter+"]")+`}]}`)
		scimError(t, a, 400, "invalidPath")
		if detail := fmt.Sprint(a.json(t)["detail"]); !strings.Contains(detail, "display is not kept") || !strings.Contains(detail, "value") {
			t.Errorf("%s: %s", filter, detail)
		}
	}
	for _, path := range []string{`members[value eq "u3].display`, `members[value eq "u3.display`, `members[value eq u3.display`, `members[value eq u3] .display`, `members[value eq u3]display`, `members.value[value eq u3].display`} {
		if a := w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":`+asJSON(path)+`}]}`); a.status != 400 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if w.state().all != before {
		t.Error("something has changed")
	}
}

// TestMembersByWord finds and removes members by values without quotes, as they were written.
func TestMembersByWord(t *testing.T) {
	ids := []string{"1e3", "1000", "007", "7", "1796.10", "False", "false", "TRUE", "null", "12e5", "O'Neil"}
	for _, id := range ids {
		w := newWorld(t)
		w.seed()
		w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"replace","path":"members","value":`+asJSONList(ids)+`}]}`)
		for _, filter := range []string{"members[value eq %s]", "members.value eq %s", "members eq %s", "not (not (members[value eq %s]))"} {
			if id == "null" && strings.HasPrefix(filter, "members eq") {
				continue // asks whether there is none
			}
			a := w.must(200, "GET", "/Groups?filter="+url.QueryEscape(fmt.Sprintf(filter, id)), "").json(t)
			if a["totalResults"] != 1.0 {
				t.Errorf("%s finds %v", fmt.Sprintf(filter, id), a["totalResults"])
			}
		}
		before := w.state()
		w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":`+asJSON("members[value eq "+id+"]")+`}]}`)
		if got := delta(before, w.state(), "gid"); !slices.Equal(got, []string{"-" + id}) {
			t.Errorf("%s: %v", id, got)
		}
	}
}

func asJSONList(list []string) string {
	b, _ := json.Marshal(list) // texts can always be written
	return string(b)
}

// TestMembersInAList removes up to 10,000 members by one path, beyond the limit of other filters.
func TestMembersInAList(t *testing.T) {
	w := newWorld(t)
	w.seed()
	list := func(n int, last string) string {
		forms := []string{`value eq "%s"`, `VALUE eq '%s'`, `value  EQ  %s`}
		var b strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&b, forms[i%3]+[]string{" or ", "  OR "}[i%2], fmt.Sprintf("2819c223-7f76-453a-919d-%012d", i))
		}
		return asJSON("urn:ietf:params:scim:schemas:core:2.0:Group:members[ " + b.String() + fmt.Sprintf(last, "u3") + " ]")
	}
	remove := func(path string) answer {
		return w.do("PATCH", "/Groups/gid", patchHead+`[{"op":"remove","path":`+path+`}]}`)
	}
	before := w.state()
	for path, reason := range map[string]string{
		list(10_001, `value eq "%s"`): "10000", list(10_000, "value eq “%s”"): "typographic", list(100, `value ne "%s"`): "4096", list(100, `type eq "%s"`): "4096", list(100, `(value eq "%s")`): "4096",
	} {
		a := remove(path)
		scimError(t, a, 400, "invalidPath")
		if !strings.Contains(string(a.body), reason) {
			t.Errorf("%s: %s", reason, a.body)
		}
	}
	if got := delta(before, w.state(), "gid"); len(got) > 0 {
		t.Errorf("changed by %v", got)
	}
	for _, n := range []int{80, 10_000} {
		w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"add","path":"members","value":"u3"}]}`)
		if a := remove(list(n, `value eq '%s'`)); a.status != 204 {
			t.Fatalf("%d values: %d %s", n, a.status, a.body)
		}
		if got := delta(before, w.state(), "gid"); !slices.Equal(got, []string{"-u3"}) {
			t.Errorf("%d values: changed by %v", n, got)
		}
	}
}

// TestDottedURN writes a dot in the place of the last colon of a URN.
func TestDottedURN(t *testing.T) {
	const user, extension = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	w := newWorld(t)
	w.seed()
	for _, operation := range []string{
		`{"op":"add","path":"` + extension + `.department","value":"R"}`, `{"op":"replace","value":{"` + strings.ToUpper(extension) + `.department":"R"}}`, `{"op":"add","value":{"` + extension + `":{"department":"R"}}}`,
	} {
		w.must(200, "PATCH", "/Users/"+ada, patchHead+`[{"op":"remove","path":"`+extension+`"},`+operation+`,`+
			`{"op":"add","path":"`+extension+`.manager.value","value":"m"},{"op":"replace","path":"`+user+`.name.givenName","value":"G"},{"op":"replace","path":"`+user+`.emails[type eq 'work'].value","value":"n@x"}]}`)
		for _, filter := range []string{extension + `.department eq "R"`, extension + `.manager.value eq m`, extension + ".manager eq m", user + `.name.givenName eq "G" and ` + user + `.userName eq 'ada@example.com'`, user + `.emails[value eq 'n@x']`} {
			for _, name := range []string{"GET /Users", "POST /Users/.search"} {
				if a := w.searches()[name](filter); a.status != 200 || a.json(t)["totalResults"] != 1.0 {
					t.Errorf("%s %s: %s", name, filter, a.body)
				}
			}
		}
	}
	for _, method := range []string{"POST /Users", "PUT /Users/" + grace} {
		method, path, _ := strings.Cut(method, " ")
		a := w.do(method, path, `{"userName":"`+method+`","`+extension+`.department":"R","`+user+`.title":"T","`+extension+`.manager":"m"}`)
		got := a.json(t)
		if want := "map[department:R manager:map[value:m]]"; a.status/100 != 2 || got["title"] != "T" || fmt.Sprint(got[extension]) != want {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
	}
	dotted := w.must(200, "GET", "/Users?attributes=id&sortBy="+user+".userName", "").body
	if plain := w.must(200, "GET", "/Users?attributes=id&sortBy="+user+":userName", "").body; string(plain) != string(dotted) {
		t.Errorf("sorted as\n%s\nand\n%s", dotted, plain)
	}
	for _, parameter := range []string{"attributes", "excludedAttributes"} {
		for _, name := range []string{extension + ".department", strings.ToUpper(extension) + ".manager.value", user + ".title", user + `.name.givenName`} {
			at := max(strings.LastIndex(name, ":2.0:"), 0) + len(":2.0:User")
			dotted := w.must(200, "GET", "/Users/"+grace+"?"+parameter+"="+name, "").body
			if plain := w.must(200, "GET", "/Users/"+grace+"?"+parameter+"="+name[:at]+":"+name[at+1:], "").body; string(plain) != string(dotted) {
				t.Errorf("%s=%s: %s, want %s", parameter, name, dotted, plain)
			}
		}
	}
	a := w.searches()["GET "]("urn:ietf:params:scim:schemas:core:2.0:Group.members[value eq 'u3']")
	if a.status != 200 || a.json(t)["totalResults"] != 1.0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:Group.displayName","value":"New"}]}`)
	if a := w.must(200, "GET", "/Groups/gid", "").json(t); a["displayName"] != "New" {
		t.Errorf("%v", a)
	}
}

package patch

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestGroupWire reads what identity providers send about groups. The names are lines of the wire
// corpus.
func TestGroupWire(t *testing.T) {
	for _, tt := range []struct{ name, operations, rows, after string }{
		{"E35", `{"op":"Replace","path":"displayName","value":"updatedDisplayName"}`, "", `{"displayName":"updatedDisplayName"}`},
		{"E36", `{"op":"replace","value":{"displayName":"new"}}`, "", `{"displayName":"new"}`},
		{"E37", `{"op":"Add","path":"members","value":[{"$ref":null,"value":"f648"}]}`, "add [f648]", ""},
		{"E38", `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"f648"}]}`, "remove [f648]", ""},
		{"E39", `{"op":"remove","path":"members[value eq \"7f4bc1a3-285e-48ae-8202-5accb43efb0e\"]"}`, "remove [7f4bc1a3-285e-48ae-8202-5accb43efb0e]", ""},
		{"E40", `{"op":"replace","path":"members","value":[{"value":"uid"}]}`, "replace [uid]", ""},
		{"E41", `{"op":"add","path":"members","value":[{"value":"uid"}]},{"op":"remove","path":"members[value eq \"uid\"]"}`, "add [uid]; remove [uid]", ""},
		{"E42", `{"op":"add","path":"members","value":"string id 1"}`, "add [string id 1]", ""},
		{"O14", `{"op":"replace","value":{"id":"abf4","displayName":"Test SCIMv2"}}`, "", `{"displayName":"Test SCIMv2"}`},
		{"O15", `{"op":"remove","path":"members[value eq \"89bb\"]"},{"op":"add","path":"members","value":[{"value":"23a3","display":"test.user@okta.local"}]}`, "remove [89bb]; add [23a3]", ""},
		{"O16", `{"op":"replace","path":"members","value":[{"value":"23a3","display":"a"},{"value":"89bb","display":"b"}]}`, "replace [23a3 89bb]", ""},
		{"O17", `{"op":"replace","path":"members","value":[]}`, "clear", ""},
		{"O18", `{"op":"replace","value":{"members":[{"value":"uid"}]}}`, "replace [uid]", ""},
		{"X03", `{"op":"add","path":"members","value":[{"value":"uid"}]}`, "add [uid]", ""},
		{"X05", `{"op":"add","path":"members","value":[{"value":"u1"}]},{"op":"add","path":"members","value":[{"value":"u2"}]},{"op":"remove","path":"members","value":[{"value":"u3"}]}`, "add [u1 u2]; remove [u3]", ""},
		{"X06", `{"op":"replace","path":null,"value":{"id":"gid","schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"externalId":"x","displayName":"g"}}`, "", `{"displayName":"g","externalId":"x"}`},
		{"X07", `{"op":"remove","path":"members","value":[{"value":"uid"}]}`, "remove [uid]", ""},
		{"X09", `{"op":"add","value":{"members":[{"display":"admin","value":"uid","$ref":"https://h/scim2/Users/uid"}]}}`, "add [uid]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { checkGroup(t, tt.operations, tt.rows, tt.after) })
	}
}

func checkGroup(t *testing.T, operations, rows, after string) {
	t.Helper()
	change, err := parse(message(operations), groups())
	if err != nil {
		t.Fatal(err)
	}
	if got := describeRows(change.Rows); got != rows {
		t.Errorf("rows: got %q, want %q", got, rows)
	}
	attrs := object(t, `{"displayName":"old"}`)
	if after == "" {
		after = `{"displayName":"old"}`
	}
	if _, err := Apply(attrs, change.Attributes, groups()); err != nil {
		t.Fatal(err)
	}
	if got := compact(t, attrs); got != after {
		t.Errorf("attributes: got %s, want %s", got, after)
	}
	if len(change.Ignored) != 0 {
		t.Errorf("ignored: %v", change.Ignored)
	}
}

// The path that RFC 7644, section 3.5.2 shows is one of what is not kept: nothing happens, and
// nothing is refused.
func TestDisplayOfAMemberIsDropped(t *testing.T) {
	for _, verb := range []string{"add", "remove", "replace"} {
		for _, path := range []string{`members[value eq \"a\"].displayName`, `members[value eq \"a\"].display`, `members.display`} {
			body := `{"Operations":[{"op":"` + verb + `","path":"` + path + `","value":"x"}]}`
			if change, err := parse([]byte(body), groups()); err != nil || len(change.Rows)+len(change.Attributes) > 0 {
				t.Errorf("%s: %+v, %v", body, change, err)
			}
		}
	}
}

// TestMembersInString reads members that are written as JSON within a text (SCIM for Keycloak), and
// refuses what only begins so.
func TestMembersInString(t *testing.T) {
	for _, tt := range []struct{ value, add, remove, replace string }{
		{`"[{\"value\":\"x\"}]"`, "add [x]", "remove [x]", "replace [x]"},
		{`"{\"value\":\"x\"}"`, "add [x]", "remove [x]", "replace [x]"},
		{`["{\"value\":\"x\"}","y"]`, "add [x y]", "remove [x y]", "replace [x y]"},
		{`"{\"members\":[\"x\"]}"`, "add [x]", "remove [x]", "replace [x]"},
		{`{"Members":"[\"x\"]"}`, "add [x]", "remove [x]", "replace [x]"},
		{`"[]"`, "", "", "clear"},
		{`[{"value":" []"}]`, "refused", "refused", "refused"},
		{`"[x"`, "refused", "refused", "refused"},
		{`"\"x\""`, "refused", "refused", "refused"},
		{`"{\"value\":\"x\",\"Value\":\"y\"}"`, "refused", "refused", "refused"},
	} {
		for verb, want := range map[string]string{"add": tt.add, "remove": tt.remove, "replace": tt.replace} {
			change, err := parse(message(`{"op":"`+verb+`","path":"members","value":`+tt.value+`}`), groups())
			if got := describeRows(change.Rows); err == nil && got != want || (err != nil) != (want == "refused") {
				t.Errorf("%s %s: %s, %v; want %s", verb, tt.value, got, err, want)
			}
		}
	}
}

func TestGroupRows(t *testing.T) {
	for _, tt := range []struct{ name, operations, rows string }{
		{"strings", `{"op":"add","path":"members","value":["a","b","a"]}`, "add [a b]"},
		{"single object", `{"op":"remove","path":"Members","value":{"Value":"a"}}`, "remove [a]"},
		{"single string", `{"op":"remove","path":"members","value":"a"}`, "remove [a]"},
		{"path-less string", `{"op":"replace","value":{"MEMBERS":"a"}}`, "replace [a]"},
		{"runs are joined", `{"op":"add","path":"members","value":"a"},{"op":"add","path":"members","value":["b","a"]},{"op":"remove","path":"members","value":"c"},{"op":"remove","path":"members[value eq \"d\"]"},{"op":"add","path":"members","value":"c"}`, "add [a b]; remove [c d]; add [c]"},
		{"replacements are not joined", `{"op":"replace","path":"members","value":"a"},{"op":"replace","path":"members","value":"b"}`, "replace [a]; replace [b]"},
		{"core URN", `{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq \"a\"]"}`, "remove [a]"},
		{"core URN as a key", `{"op":"add","value":{"urn:ietf:params:scim:schemas:core:2.0:Group:members":["a"]}}`, "add [a]"},
		{"filter in any case", `{"op":"remove","path":"MEMBERS[Value EQ \"a\"]"}`, "remove [a]"},
		{"filter with spaces", `{"op":"remove","path":" members [ value  eq \"a\" ] "}`, "remove [a]"},
		{"filter with an escape", `{"op":"remove","path":"members[value eq \"a\\\"b\"]"}`, `remove [a"b]`},
		{"alternatives", `{"op":"remove","path":"members[value eq \"a\" or value eq \"b\" or (value eq \"c\")]"}`, "remove [a b c]"},
		{"filter without quotes", `{"op":"remove","path":"members[value eq a]"}`, "remove [a]"},
		{"other filter", `{"op":"remove","path":"members[type eq \"Group\"]"}`, "remove matching"},
		{"conjunction", `{"op":"remove","path":"members[value eq \"a\" and type eq \"User\"]"}`, "remove matching"},
		{"value next to a filter", `{"op":"remove","path":"members[value eq \"a\"]","value":null}`, "remove [a]"},
		{"remove without value", `{"op":"remove","path":"members"}`, "clear"},
		{"remove an empty list", `{"op":"remove","path":"members","value":[]}`, ""},
		{"add an empty list", `{"op":"add","path":"members","value":[]}`, ""},
		{"add null", `{"op":"add","path":"members","value":null},{"op":"add","value":{"members":null}}`, ""},
		{"path-less replace with null", `{"op":"replace","value":{"members":null}}`, ""},
		{"clear and add", `{"op":"remove","path":"members"},{"op":"add","path":"members","value":"a"}`, "clear; add [a]"},
		{"escapes in a value", `{"op":"add","path":"members","value":"\u0061\"b"}`, `add [a"b]`},
	} {
		t.Run(tt.name, func(t *testing.T) { checkGroup(t, tt.operations, tt.rows, "") })
	}
}

func TestMatches(t *testing.T) {
	change, err := parse(message(`{"op":"remove","path":"members[value eq \"a\" and not (type eq \"group\")]"}`), groups())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		row  map[string]any
		want bool
	}{
		{map[string]any{"value": "a"}, true},
		{map[string]any{"value": "a", "type": "User"}, true},
		{map[string]any{"value": "a", "type": "Group"}, false},
		{map[string]any{"value": "b", "type": "User"}, false},
		{nil, false},
	} {
		if got, err := change.Rows[0].Matches(tt.row); got != tt.want || err != nil {
			t.Errorf("Matches(%v) = %v, %v; want %v", tt.row, got, err, tt.want)
		}
	}
}

func TestParseRefusesGroup(t *testing.T) {
	for _, tt := range []struct{ name, operations, want string }{
		{"unknown op", `{"op":"delete","path":"members","value":["a"]}`, "400 invalidSyntax"},
		{"sub-attribute", `{"op":"add","path":"members.value","value":"a"}`, "400 mutability"},
		{"remove of a sub-attribute", `{"op":"remove","path":"members.value"}`, "400 mutability"},
		{"unknown sub-attribute", `{"op":"remove","path":"members.foo"}`, "400 invalidPath"},
		{"sub-attribute of an element", `{"op":"replace","path":"members[value eq \"a\"].type","value":"Group"}`, "400 mutability"},
		{"replace of an element", `{"op":"replace","path":"members[value eq \"a\"]","value":{"value":"b"}}`, "400 invalidPath"},
		{"add to an element", `{"op":"add","path":"members[value eq \"a\"]"}`, "400 invalidPath"},
		{"filter without end", `{"op":"remove","path":"members[value eq \"a\""}`, "400 invalidPath"},
		{"empty filter", `{"op":"remove","path":"members[]"}`, "400 invalidPath"},
		{"unknown attribute in the filter", `{"op":"remove","path":"members[foo eq \"a\"]"}`, "400 invalidPath"},
		{"something after the filter", `{"op":"remove","path":"members[value eq \"a\"]x"}`, "400 invalidPath"},
		{"key with a filter", `{"op":"add","value":{"members[value eq \"a\"]":"x"}}`, "400 invalidPath"},
		{"filter for nothing", `{"op":"remove","path":"members[value eq \"\"]"}`, "400 invalidValue"},
		{"boolean", `{"op":"remove","path":"members","value":false}`, "400 invalidValue"},
		{"remove null", `{"op":"remove","path":"members","value":null}`, "400 invalidValue"},
		{"replace with null", `{"op":"replace","path":"members","value":null}`, "400 invalidValue"},
		{"null in the list", `{"op":"remove","path":"members","value":[null]}`, "400 invalidValue"},
		{"list in the list", `{"op":"add","path":"members","value":[["a"]]}`, "400 invalidValue"},
		{"empty object", `{"op":"remove","path":"members","value":{}}`, "400 invalidValue"},
		{"empty object in the list", `{"op":"replace","path":"members","value":[{}]}`, "400 invalidValue"},
		{"null value", `{"op":"remove","path":"members","value":[{"value":null}]}`, "400 invalidValue"},
		{"object as value", `{"op":"remove","path":"members","value":[{"value":{"value":"a"}}]}`, "400 invalidValue"},
		{"unknown key", `{"op":"remove","path":"members","value":[{"id":"a"}]}`, "400 invalidValue"},
		{"misspelt attribute", `{"op":"add","path":"memebers","value":["a"]}`, "400 invalidPath"},
		{"members below the URN of users", `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:members","value":["a"]}`, "400 invalidPath"},
		{"attribute of other products", `{"op":"add","path":"users","value":["a"]}`, "400 invalidPath"},
		{"misspelt key", `{"op":"add","value":{"memebers":["a"]}}`, "400 invalidValue"},
		{"empty string", `{"op":"remove","path":"members","value":""}`, "400 invalidValue"},
		{"blank string", `{"op":"add","path":"members","value":[" "]}`, "400 invalidValue"},
		{"control character", `{"op":"add","path":"members","value":["a\u0000"]}`, "400 invalidValue"},
		{"long string", `{"op":"add","path":"members","value":["` + strings.Repeat("a", 1025) + `"]}`, "400 invalidValue"},
		{"add without value", `{"op":"add","path":"members"}`, "400 invalidValue"},
		{"replace without value", `{"op":"replace","path":"members"}`, "400 invalidValue"},
		{"two values, one of them empty", `{"op":"remove","path":"members","value":["a"],"Value":null}`, "400 invalidSyntax"},
		{"two lists of members", `{"op":"replace","value":{"members":["a"],"Members":[]}}`, "400 invalidSyntax"},
		{"two spellings of members", `{"op":"replace","value":{"members":["a"],"urn:ietf:params:scim:schemas:core:2.0:Group:members":[]}}`, "400 invalidSyntax"},
		{"members again within the core URN", `{"op":"replace","value":{"members":["a"],"urn:ietf:params:scim:schemas:core:2.0:Group":{"members":[]}}}`, "400 invalidSyntax"},
		{"two values of one member", `{"op":"remove","path":"members","value":[{"value":"a","VALUE":"b"}]}`, "400 invalidSyntax"},
		{"remove displayName", `{"op":"remove","path":"displayName"}`, "400 mutability"},
		{"empty displayName", `{"op":"replace","path":"displayName","value":""}`, "400 invalidValue"},
		{"members are fine, the name is not", `{"op":"add","path":"members","value":["a"]},{"op":"replace","path":"displayName","value":null}`, "400 invalidValue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change, err := parse(message(tt.operations), groups())
			if err == nil {
				t.Fatalf("accepted: %s", describeRows(change.Rows))
			}
			wantError(t, err, tt.want)
		})
	}
}

func TestMessage(t *testing.T) {
	const operation = `{"op":"add","path":"members","value":["a"]}`
	for _, tt := range []struct{ name, body, want string }{
		{"empty", ``, "400 invalidSyntax"},
		{"null", `null`, "400 invalidSyntax"},
		{"list", `[]`, "400 invalidSyntax"},
		{"nothing", `{}`, "400 invalidSyntax"},
		{"no list", `{"Operations":{}}`, "400 invalidSyntax"},
		{"operations null", `{"Operations":null}`, "400 invalidSyntax"},
		{"broken", `{"Operations":[`, "400 invalidSyntax"},
		{"something after", `{"Operations":[]} x`, "400 invalidSyntax"},
		{"operations twice", `{"Operations":[],"operations":[` + operation + `]}`, "400 invalidSyntax"},
		{"deep value", `{"Operations":[{"op":"add","path":"externalId","value":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}]}`, "400 invalidSyntax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse([]byte(tt.body), groups())
			wantError(t, err, tt.want)
		})
	}
	for _, body := range []string{
		` {"operations" : [ ` + operation + ` ] } `,
		`{"SCHEMAS":["URN:ietf:params:scim:api:messages:2.0:patchop"],"Operations":[` + operation + `],"failOnErrors":1}`,
		`{"schemas":[],"Operations":[` + operation + `]}`,
		`{"schemas":null,"Operations":[` + operation + `]}`,
		`{"schemas":" ","Operations":[` + operation + `]}`,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` + operation + `]}`,
		`{"schemas":{"a":7},"Operations":[` + operation + `]}`,
	} {
		if change, err := parse([]byte(body), groups()); err != nil || describeRows(change.Rows) != "add [a]" {
			t.Errorf("parse(%s) = %s, %v", body, describeRows(change.Rows), err)
		}
	}
	if _, err := parse(message(removals(maxOperations)), groups()); err != nil {
		t.Error(err)
	}
	_, err := parse(message(removals(maxOperations+1)), groups())
	wantError(t, err, "413 ")
}

// removals are n operations that remove a member each.
func removals(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"op":"remove","path":"members[value eq \"2819c223-7f76-453a-919d-%012d\"]"}`, i)
	}
	return b.String()
}

func BenchmarkParseAddOne(b *testing.B) {
	body := message(`{"op":"add","path":"members","value":[{"value":"23a35c27-23d3-4c03-b4c5-6443c09e7173","display":"test.user@okta.local"}]}`)
	benchmarkParse(b, body, 1)
}

func BenchmarkParseRemove1000(b *testing.B) { benchmarkParse(b, message(removals(1000)), 1000) }

func BenchmarkParseAdd100000(b *testing.B) {
	var list strings.Builder
	for i := range 100_000 {
		list.WriteString(`,{"value":"2819c223-7f76-453a-919d-` + fmt.Sprintf("%012s", strconv.Itoa(i)) + `"}`)
	}
	benchmarkParse(b, message(`{"op":"add","path":"members","value":[`+list.String()[1:]+`]}`), 100_000)
}

func benchmarkParse(b *testing.B, body []byte, values int) {
	r := groups()
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		change, err := parse(body, r)
		if err != nil || len(change.Rows) != 1 || len(change.Rows[0].Values) != values {
			b.Fatal(err, len(change.Rows))
		}
	}
}

// TestCostOfManyRemovals holds the number of allocations per operation, which is what a slow parser
// shows in first.
func TestCostOfManyRemovals(t *testing.T) {
	body, r := message(removals(1000)), groups()
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := parse(body, r); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 3500 {
		t.Errorf("%v allocations for 1,000 operations", allocs)
	}
}

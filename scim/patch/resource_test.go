package patch

import (
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// readReplacement checks a body as the server does and reads it.
func readReplacement(body string, r Resource) (Full, error) {
	checked, err := value.Parse([]byte(body), value.MaxDepth)
	if err != nil {
		return Full{}, err
	}
	return ReadReplacement(checked, r)
}

// TestReadReplacement reads what identity providers send in a POST or PUT. The names are lines of
// the wire corpus.
func TestReadReplacement(t *testing.T) {
	const user, group = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`, `"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]`
	for _, tt := range []struct {
		name        string
		r           Resource
		given, want string
		members     string // "" if the body does not name them
	}{
		{
			"E09", users(),
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterprise + `"],"userName":"u","active":true,"emails":[{"primary":true,"type":"work","value":"w@x"}],"meta":{"resourceType":"User"},"roles":[]}`,
			`{"userName":"u","active":true,"emails":[{"primary":true,"type":"work","value":"w@x"}]}`, "",
		},
		{
			"E10", users(),
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"userName":"u","addresses":null,"title":null,"department":null,"manager":null,"emails":[null,{"value":"a","type":null}]}`,
			`{"userName":"u","emails":[{"value":"a"}]}`, "",
		},
		{"E33", groups(), `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"displayName":"g"}`, `{"displayName":"g"}`, ""},
		{"X02", users(), `{"schemas":["urn:scim:schemas:core:2.0","urn:scim:schemas:extension:enterprise:2.0"],"userName":"u"}`, `{"userName":"u"}`, ""},
		{"O04", users(), `{` + user + `,"userName":"u","password":"p","groups":[]}`, `{"userName":"u"}`, ""},
		{"O19", groups(), `{` + group + `,"displayName":"g","members":[{"value":"a","display":"d"}]}`, `{"displayName":"g"}`, "a"},
		{"no schemas", users(), `{"userName":"u"}`, `{"userName":"u"}`, ""},
		{"schemas in another case, no list", users(), `{"Schemas":"x","userName":"u"}`, `{"userName":"u"}`, ""},
		{"E11 string booleans", users(), `{"userName":"u","Active":"False","emails":[{"value":"a","primary":"True"}]}`, `{"userName":"u","active":false,"emails":[{"value":"a","primary":true}]}`, ""},
		{"E22", users(), `{"userName":"u","` + enterprise + `":{"manager":"m"}}`, `{"userName":"u","` + enterprise + `":{"manager":{"value":"m"}}}`, ""},
		{"E21", users(), `{"userName":"u","` + enterprise + `":{"manager":[{"value":"m"}]}}`, `{"userName":"u","` + enterprise + `":{"manager":{"value":"m"}}}`, ""},
		{"E23", users(), `{"userName":"u","` + enterprise + `":{"manager":"","department":"R"}}`, `{"userName":"u","` + enterprise + `":{"department":"R"}}`, ""},
		{"E23 as an object", users(), `{"userName":"u","` + enterprise + `":{"manager":{"value":""},"department":"R"}}`, `{"userName":"u","` + enterprise + `":{"department":"R"}}`, ""},
		{"URN in another case", users(), `{"userName":"u","URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":{"department":"R"}}`, `{"userName":"u","` + enterprise + `":{"department":"R"}}`, ""},
		{"flat keys of a path-less PATCH", users(), `{"userName":"u","name.givenName":"G","department":"R"}`, `{"userName":"u","name":{"givenName":"G"},"` + enterprise + `":{"department":"R"}}`, ""},
		{"E42 members", groups(), `{"displayName":"g","members":["a",{"value":"b"}]}`, `{"displayName":"g"}`, "a b"},
		{"single member", groups(), `{"displayName":"g","members":{"value":"b"}}`, `{"displayName":"g"}`, "b"},
		{"two primaries", users(), `{"userName":"u","emails":[{"value":"a","primary":true},{"value":"b","primary":"true"}]}`, `{"userName":"u","emails":[{"value":"a","primary":false},{"value":"b","primary":true}]}`, ""},
		{"the address twice", users(), `{"userName":"u","emails":[{"value":"a"},{"value":"a","primary":true}]}`, `{"userName":"u","emails":[{"value":"a","primary":true}]}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			full, err := readReplacement(tt.given, tt.r)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := compact(t, full.Attributes), compact(t, object(t, tt.want)); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if got := strings.Join(full.Rows, " "); got != tt.members || full.HasRows != (tt.members != "") {
				t.Errorf("members %q (named: %v), want %q", got, full.HasRows, tt.members)
			}
		})
	}
}

func TestReadReplacementRefuses(t *testing.T) {
	for _, tt := range []struct{ name, body, want, detail string }{
		{"a required attribute is missing", `{"title":"x"}`, "400 invalidValue", "userName: expected a string, got nothing"},
		{"no boolean at all", `{"userName":"u","active":"maybe"}`, "400 invalidValue", "active: expected true or false, got another string"},
		{"a sub-attribute of another type", `{"userName":"u","phoneNumbers":[{"value":{}}]}`, "400 invalidValue", "phoneNumbers[0].value: expected a string, got an object"},
		{"an attribute below its URN and flat", `{"userName":"u","` + enterprise + `:department":"a","` + enterprise + `":{"department":"b"}}`, "400 invalidSyntax", enterprise + ":department: is given twice"},
		{"a list", `[]`, "400 invalidSyntax", "expected a resource, got a list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readReplacement(tt.body, users())
			wantError(t, err, tt.want)
			if !strings.Contains(err.Error(), strings.TrimSuffix(filter.Clip(tt.detail), "…")) {
				t.Errorf("error %q, want %q", err, tt.detail)
			}
		})
	}
}

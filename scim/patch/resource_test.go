package patch

import (
	"testing"
)

func TestRepairResource(t *testing.T) {
	const user, group = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`, `"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]`
	const both = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterprise + `"]`
	for _, tt := range []struct {
		name        string
		r           Resource
		given, want string
	}{
		{
			"E09", users(),
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterprise + `"],"userName":"u","active":true,"emails":[{"primary":true,"type":"work","value":"w@x"}],"meta":{"resourceType":"User"},"roles":[]}`,
			`{` + both + `,"userName":"u","active":true,"emails":[{"primary":true,"type":"work","value":"w@x"}],"meta":{"resourceType":"User"},"roles":[]}`,
		},
		{
			"E10", users(),
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"userName":"u","addresses":null,"title":null,"department":null,"manager":null,"emails":[null,{"value":"a","type":null}]}`,
			`{` + user + `,"userName":"u","emails":[{"value":"a"}]}`,
		},
		{"E33", groups(), `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"displayName":"g"}`, `{` + group + `,"displayName":"g"}`},
		{"X02", users(), `{"schemas":["urn:scim:schemas:core:2.0","urn:scim:schemas:extension:enterprise:2.0"],"userName":"u"}`, `{` + user + `,"userName":"u"}`},
		{"O04", users(), `{` + user + `,"userName":"u","password":"p","groups":[]}`, `{` + user + `,"userName":"u","groups":[]}`},
		{"O19", groups(), `{` + group + `,"displayName":"g","members":[{"value":"a","display":"d"}]}`, `{` + group + `,"displayName":"g","members":[{"value":"a","display":"d"}]}`},
		{"no schemas", users(), `{"userName":"u"}`, `{` + user + `,"userName":"u"}`},
		{"schemas in another case, no list", users(), `{"Schemas":"x","userName":"u"}`, `{` + user + `,"userName":"u"}`},
		{"E11 string booleans", users(), `{` + user + `,"Active":"False","emails":[{"value":"a","primary":"True"}]}`, `{` + user + `,"Active":false,"emails":[{"value":"a","primary":true}]}`},
		{"no boolean at all", users(), `{` + user + `,"active":"maybe"}`, `{` + user + `,"active":"maybe"}`},
		{"E22", users(), `{"` + enterprise + `":{"manager":"m"}}`, `{` + both + `,"` + enterprise + `":{"manager":{"value":"m"}}}`},
		{"E21", users(), `{"` + enterprise + `":{"manager":[{"value":"m"}]}}`, `{` + both + `,"` + enterprise + `":{"manager":{"value":"m"}}}`},
		{"E23", users(), `{"` + enterprise + `":{"manager":"","department":"R"}}`, `{` + both + `,"` + enterprise + `":{"department":"R"}}`},
		{"E23 as an object", users(), `{"` + enterprise + `":{"manager":{"value":""},"department":"R"}}`, `{` + both + `,"` + enterprise + `":{"department":"R"}}`},
		{"URN in another case", users(), `{"URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":{"department":"R"}}`, `{` + both + `,"` + enterprise + `":{"department":"R"}}`},
		{"E42 members", groups(), `{` + group + `,"displayName":"g","members":["a",{"value":"b"}]}`, `{` + group + `,"displayName":"g","members":[{"value":"a"},{"value":"b"}]}`},
		{"single member", groups(), `{` + group + `,"displayName":"g","members":{"value":"b"}}`, `{` + group + `,"displayName":"g","members":[{"value":"b"}]}`},
		{"two primaries", users(), `{` + user + `,"emails":[{"value":"a","primary":true},{"value":"b","primary":"true"}]}`, `{` + user + `,"emails":[{"value":"a","primary":false},{"value":"b","primary":true}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attrs := object(t, tt.given)
			RepairResource(attrs, tt.r.Schema)
			if got, want := compact(t, attrs), compact(t, object(t, tt.want)); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestRepairedResourceIsValid puts repaired bodies through the library's validation, which is what they are repaired for.
func TestRepairedResourceIsValid(t *testing.T) {
	for _, body := range []string{
		`{"userName":"u","active":"False","title":null,"emails":{"value":"a","primary":"True"},"` + enterprise + `":{"manager":"m"}}`,
		`{"schemas":["urn:scim:schemas:core:2.0"],"userName":"u","roles":[],"addresses":null}`,
	} {
		attrs := object(t, body)
		RepairResource(attrs, users().Schema)
		if _, err := users().Schema.Core.Validate(attrs); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if ext, ok := attrs[enterprise]; ok {
			if _, err := users().Schema.Extensions[0].ValidateExtension(ext); err != nil {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

package patch

import (
	"errors"
	"strings"
	"testing"

	scim "github.com/elimity-com/scim/errors"
)

// TestUserWire applies what identity providers send about users. The names are lines of the wire
// corpus.
func TestUserWire(t *testing.T) {
	const jobs = `"emails":[{"primary":true,"type":"work","value":"a@x"}],"userName":"ada"`
	for _, tt := range []struct{ name, before, operations, after string }{
		{"E11", `{"active":true}`, `{"op":"Replace","path":"active","value":"False"}`, `{"active":false}`},
		{"E12", `{"active":true}`, `{"op":"replace","path":"active","value":false}`, `{"active":false}`},
		{"E13", `{"active":true}`, `{"op":"Replace","path":"active","value":false}`, `{"active":false}`},
		{"E14", `{"active":true,"userName":"ada"}`, `{"op":"replace","value":{"active":false,"userName":"someone"}}`, `{"active":false,"userName":"someone"}`},
		{"E15", `{}`, `{"op":"Add","path":"nickName","value":"Babs"}`, `{"nickName":"Babs"}`},
		{
			"E16", `{` + jobs + `,"name":{"formatted":"Ada L"}}`,
			`{"op":"Replace","path":"displayName","value":"Pvlo"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"TestBcwqnm@test.microsoft.com"},
			 {"op":"Replace","path":"name.givenName","value":"Gtfd"},{"op":"Replace","path":"name.familyName","value":"Pkqf"},
			 {"op":"Replace","path":"externalId","value":"Eqpj"},{"op":"Replace","path":"` + enterprise + `:employeeNumber","value":"Eyye"}`,
			`{"displayName":"Pvlo","emails":[{"primary":true,"type":"work","value":"TestBcwqnm@test.microsoft.com"}],"externalId":"Eqpj",` +
				`"name":{"familyName":"Pkqf","formatted":"Ada L","givenName":"Gtfd"},"` + enterprise + `":{"employeeNumber":"Eyye"},"userName":"ada"}`,
		},
		{
			"E17", `{` + jobs + `}`,
			`{"op":"replace","path":"emails[type eq \"work\"].value","value":"TestMhvaes@test.microsoft.com"},
			 {"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom","name.familyName":"Unua","` + enterprise + `:employeeNumber":"Aklq"}}`,
			`{"displayName":"Bjfe","emails":[{"primary":true,"type":"work","value":"TestMhvaes@test.microsoft.com"}],` +
				`"name":{"familyName":"Unua","givenName":"Kkom"},"` + enterprise + `":{"employeeNumber":"Aklq"},"userName":"ada"}`,
		},
		{"E18", `{"name":{"givenName":"Ada"}}`, `{"op":"replace","value":{"name.formatted":"test test2","name.familyName":"test"}}`, `{"name":{"familyName":"test","formatted":"test test2","givenName":"Ada"}}`},
		{"E19 creates the element", `{}`, `{"op":"Add","path":"emails[type eq \"work\"].value","value":"new@example.com"}`, `{"emails":[{"type":"work","value":"new@example.com"}]}`},
		{"E19 next to another", `{"emails":[{"type":"home","value":"h@x"}]}`, `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"w@x"}`, `{"emails":[{"type":"home","value":"h@x"},{"type":"work","value":"w@x"}]}`},
		{
			"E20", `{"emails":[{"type":"home","value":"h@x","primary":true},{"type":"work","value":"w@x"}]}`,
			`{"op":"replace","path":"emails[type eq \"work\"].primary","value":true}`,
			`{"emails":[{"primary":false,"type":"home","value":"h@x"},{"primary":true,"type":"work","value":"w@x"}]}`,
		},
		{"E20 without such an element", `{"emails":[{"type":"home","value":"h@x","primary":true}]}`, `{"op":"replace","path":"emails[type eq \"work\"].primary","value":true}`, `{"emails":[{"primary":true,"type":"home","value":"h@x"}]}`},
		{"E21", `{}`, `{"op":"Add","path":"manager","value":[{"$ref":"http://x/scim/Users/00aa","value":"00aa"}]}`, `{"` + enterprise + `":{"manager":{"$ref":"http://x/scim/Users/00aa","value":"00aa"}}}`},
		{"E22", `{}`, `{"op":"Add","path":"` + enterprise + `:manager","value":"00aa"}`, `{"` + enterprise + `":{"manager":{"value":"00aa"}}}`},
		{
			"E22 replaces all of the old reference", `{"` + enterprise + `":{"manager":{"value":"old","$ref":"../Users/old","displayName":"Old"}}}`,
			`{"op":"Replace","path":"` + enterprise + `:manager","value":"new"}`, `{"` + enterprise + `":{"manager":{"value":"new"}}}`,
		},
		{"E23", `{"` + enterprise + `":{"manager":{"value":"00aa"}}}`, `{"op":"replace","path":"` + enterprise + `:manager","value":""}`, `{}`},
		{"E23 as an object", `{"` + enterprise + `":{"department":"R","manager":{"value":"00aa"}}}`, `{"op":"replace","path":"` + enterprise + `:manager","value":{"value":""}}`, `{"` + enterprise + `":{"department":"R"}}`},
		{"E23 as a remove", `{"` + enterprise + `":{"manager":{"value":"00aa"}}}`, `{"op":"Remove","path":"` + enterprise + `:manager"}`, `{}`},
		{
			"E24", `{}`, `{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"06b0\",\"value\":\"25\",\"displayName\":\"Role1234\"}"}]}`,
			`{"roles":[{"value":"{\"id\":\"06b0\",\"value\":\"25\",\"displayName\":\"Role1234\"}"}]}`,
		},
		{
			"E25", `{"roles":[{"value":"{\"value\":\"Admin\"}"}]}`, `{"op":"Add","path":"roles","value":[{"value":"{\"value\":\"Admin\"}"},{"value":"{\"value\":\"User\"}"}]}`,
			`{"roles":[{"value":"{\"value\":\"Admin\"}"},{"value":"{\"value\":\"User\"}"}]}`,
		},
		{
			"E26", `{"roles":[{"value":"Old","primary":true}]}`,
			`{"op":"replace","path":"roles","value":[{"display":"Admin","value":"Admin","type":"WindowsAzureActiveDirectoryRole","primary":false},{"display":"User","value":"User","type":"WindowsAzureActiveDirectoryRole","primary":false}]}`,
			`{"roles":[{"display":"Admin","primary":false,"type":"WindowsAzureActiveDirectoryRole","value":"Admin"},{"display":"User","primary":false,"type":"WindowsAzureActiveDirectoryRole","value":"User"}]}`,
		},
		{
			"E27", `{}`, `{"op":"add","path":"roles[primary eq \"True\"].value","value":"Admin"},{"op":"add","path":"roles[primary eq \"True\"].display","value":"Admin"}`,
			`{"roles":[{"display":"Admin","primary":true,"value":"Admin"}]}`,
		},
		{
			"E27 the other way round", `{}`, `{"op":"add","path":"roles[primary eq \"True\"].display","value":"Admin"},{"op":"add","path":"roles[primary eq \"True\"].value","value":"Admin"}`,
			`{"roles":[{"display":"Admin","primary":true,"value":"Admin"}]}`,
		},
		{"E28", `{"userName":"ada"}`, ``, `{"userName":"ada"}`},
		{"E29", `{"displayName":"Ada"}`, `{"op":"replace","path":"displayName","value":""}`, `{}`},
		{"E29 second step", `{}`, `{"op":"replace","path":"displayName","value":null}`, `{}`},
		{"O07", `{"active":true}`, `{"op":"replace","value":{"active":false}}`, `{"active":false}`},
		{"O09", `{"userName":"ada"}`, `{"op":"replace","value":{"password":"secret"}}`, `{"userName":"ada"}`},
		{"X08", `{"active":true}`, `{"op":"replace","path":"active","value":"false"}`, `{"active":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) { checkApply(t, users(), tt.before, tt.operations, tt.after) })
	}
}

// checkApply parses and applies operations and checks the outcome, what Apply says about it, and
// that the values of before, which others may share, are not modified.
func checkApply(t *testing.T, r Resource, before, operations, after string) {
	t.Helper()
	change, err := parse(message(operations), r)
	if err != nil {
		t.Fatal(err)
	}
	attrs := object(t, before)
	shared := map[string]any{}
	for k, v := range attrs {
		shared[k] = v
	}
	changed, err := Apply(attrs, change.Attributes, r)
	if err != nil {
		t.Fatal(err)
	}
	got, want := compact(t, attrs), compact(t, object(t, after))
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if moved := want != compact(t, object(t, before)); changed != moved {
		t.Errorf("changed is %v, want %v", changed, moved)
	}
	if s := compact(t, shared); s != compact(t, object(t, before)) {
		t.Errorf("values were modified in place: %s", s)
	}
}

func TestApply(t *testing.T) {
	const two = `{"emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x"}]}`
	for _, tt := range []struct{ name, before, operations, after string }{
		{"attribute names in any case", `{}`, `{"op":"add","path":"NICKNAME","value":"A"},{"op":"add","path":"Name.GIVENname","value":"B"}`, `{"nickName":"A","name":{"givenName":"B"}}`},
		{"keys in any case", `{}`, `{"OP":"add","Path":"name","VALUE":{"GivenName":"B"}}`, `{"name":{"givenName":"B"}}`},
		{"core URN", `{}`, `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:user:name.givenName","value":"B"}`, `{"name":{"givenName":"B"}}`},
		{"core URN alone", `{}`, `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"title":"B"}}`, `{"title":"B"}`},
		{"bare extension URN", `{}`, `{"op":"add","path":"` + enterprise + `","value":{"department":"R","costCenter":"7"}}`, `{"` + enterprise + `":{"costCenter":"7","department":"R"}}`},
		{"extension container", `{"` + enterprise + `":{"division":"D"}}`, `{"op":"replace","value":{"` + enterprise + `":{"department":"R","manager":"m"}}}`, `{"` + enterprise + `":{"department":"R","division":"D","manager":{"value":"m"}}}`},
		{"extension container in another case", `{}`, `{"op":"replace","value":{"URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":{"Department":"R"}}}`, `{"` + enterprise + `":{"department":"R"}}`},
		{"extension container null", `{"title":"T","` + enterprise + `":{"division":"D"}}`, `{"op":"replace","value":{"` + enterprise + `":null}}`, `{"title":"T"}`},
		{"remove the extension", `{"title":"T","` + enterprise + `":{"division":"D"}}`, `{"op":"remove","path":"` + enterprise + `"}`, `{"title":"T"}`},
		{"key that is a value path", `{}`, `{"op":"add","value":{"emails[type eq \"work\"].value":"w@x"}}`, `{"emails":[{"type":"work","value":"w@x"}]}`},
		{"sub-attribute through URN", `{}`, `{"op":"add","path":"` + enterprise + `:manager.value","value":"m"}`, `{"` + enterprise + `":{"manager":{"value":"m"}}}`},
		{"path null", `{}`, `{"op":"add","path":null,"value":{"title":"B"}}`, `{"title":"B"}`},
		{"path-less with nothing", `{}`, `{"op":"add","value":{}}`, `{}`},
		{"read-only in a value", `{"userName":"a"}`, `{"op":"replace","value":{"id":"1","meta":{},"schemas":[],"groups":[],"password":"p","userName":"b"}}`, `{"userName":"b"}`},
		{"read-only sub-attribute in a value", `{}`, `{"op":"add","path":"manager","value":{"value":"m","displayName":"M"}}`, `{"` + enterprise + `":{"manager":{"value":"m"}}}`},

		{"replace of complex merges", `{"name":{"givenName":"A","familyName":"L"}}`, `{"op":"replace","path":"name","value":{"givenName":"B"}}`, `{"name":{"familyName":"L","givenName":"B"}}`},
		{"null sub-attribute clears", `{"name":{"givenName":"A","familyName":"L"}}`, `{"op":"replace","path":"name","value":{"givenName":null,"familyName":""}}`, `{}`},
		{"remove sub-attribute", `{"name":{"givenName":"A","familyName":"L"}}`, `{"op":"remove","path":"name.givenName"}`, `{"name":{"familyName":"L"}}`},
		{"remove the last sub-attribute", `{"name":{"givenName":"A"}}`, `{"op":"remove","path":"name.givenName"}`, `{}`},
		{"remove what is not there", `{}`, `{"op":"remove","path":"title"},{"op":"remove","path":"emails[type eq \"x\"]"}`, `{}`},
		{"remove a single value by value", `{"title":"T"}`, `{"op":"remove","path":"title","value":"T"}`, `{}`},

		{"add of an existing value", two, `{"op":"add","path":"emails","value":[{"type":"home","value":"h@x"}]}`, two},
		{"add of an existing value that says more", two, `{"op":"add","path":"emails","value":{"value":"H@X","display":"Home"}}`, `{"emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"H@X","display":"Home"}]}`},
		{"add of a primary value", two, `{"op":"add","path":"emails","value":[{"type":"other","value":"o@x","primary":"True"}]}`, `{"emails":[{"type":"work","value":"w@x","primary":false},{"type":"home","value":"h@x"},{"type":"other","value":"o@x","primary":true}]}`},
		{"add of a plain string", `{}`, `{"op":"add","path":"emails","value":"a@x"}`, `{"emails":[{"value":"a@x"}]}`},
		{"add nothing", two, `{"op":"add","path":"emails","value":[]},{"op":"add","path":"emails","value":null},{"op":"add","path":"emails","value":[{}]}`, two},
		{"two primaries", `{}`, `{"op":"replace","path":"emails","value":[{"value":"a","primary":true},{"value":"b","primary":true}]}`, `{"emails":[{"value":"a","primary":false},{"value":"b","primary":true}]}`},
		{"replace with an empty list", two, `{"op":"replace","path":"emails","value":[]}`, `{}`},
		{"replace with null", two, `{"op":"replace","path":"emails","value":null}`, `{}`},
		{"remove all", two, `{"op":"remove","path":"emails"}`, `{}`},
		{"remove by filter", two, `{"op":"remove","path":"emails[type eq \"work\"]"}`, `{"emails":[{"type":"home","value":"h@x"}]}`},
		{"remove by filter with groups", two, `{"op":"remove","path":"emails[not (type eq \"home\") and (value sw \"w\" or value sw \"v\" or value sw \"u\")]"}`, `{"emails":[{"type":"home","value":"h@x"}]}`},
		{"remove the listed ones", two, `{"op":"remove","path":"emails","value":[{"$ref":null,"value":"W@x"}]}`, `{"emails":[{"type":"home","value":"h@x"}]}`},
		{"remove an empty list", two, `{"op":"remove","path":"emails","value":[]}`, two},
		{"remove the value of an element", two, `{"op":"remove","path":"emails[type eq \"work\"].value"}`, `{"emails":[{"type":"home","value":"h@x"}]}`},
		{"clear the value of an element", two, `{"op":"replace","path":"emails[type eq \"work\"].value","value":""}`, `{"emails":[{"type":"home","value":"h@x"}]}`},
		{"remove another part of an element", two, `{"op":"remove","path":"emails[type eq \"work\"].primary"}`, `{"emails":[{"type":"work","value":"w@x"},{"type":"home","value":"h@x"}]}`},
		{"remove a part of every element", two, `{"op":"remove","path":"emails.type"}`, `{"emails":[{"primary":true,"value":"w@x"},{"value":"h@x"}]}`},
		{"replace an element", two, `{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"n@x","primary":true}}`, `{"emails":[{"type":"work","value":"w@x","primary":false},{"type":"home","value":"n@x","primary":true}]}`},
		{"replace an element that is missing", `{}`, `{"op":"replace","path":"emails[type eq \"home\" and primary eq true]","value":{"value":"n@x"}}`, `{"emails":[{"type":"home","value":"n@x","primary":true}]}`},
		{"clear an element that is missing", `{}`, `{"op":"replace","path":"emails[type eq \"home\"].value","value":""}`, `{}`},
		{"add null to an element", two, `{"op":"add","path":"emails[type eq \"home\"]","value":null}`, two},
		{"value of the only element", `{"emails":[{"type":"work","value":"w@x"}]}`, `{"op":"replace","path":"emails.value","value":"n@x"}`, `{"emails":[{"type":"work","value":"n@x"}]}`},
		{"value of no element", `{}`, `{"op":"add","path":"emails.value","value":"n@x"}`, `{"emails":[{"value":"n@x"}]}`},
		{"a list as the library leaves a single object", `{"emails":{"value":"w@x"}}`, `{"op":"add","path":"emails","value":{"value":"n@x"}}`, `{"emails":[{"value":"w@x"},{"value":"n@x"}]}`},

		{"operations in order, without effect in the end", `{"title":"T"}`, `{"op":"replace","path":"title","value":"X"},{"op":"remove","path":"title"},{"op":"add","path":"title","value":"T"}`, `{"title":"T"}`},
		{"active stays when it is taken away", `{"active":false}`, `{"op":"remove","path":"active"},{"op":"replace","path":"active","value":null},{"op":"replace","value":{"active":null}}`, `{"active":false}`},
		{"unknown attributes", `{"title":"T"}`, `{"op":"add","path":"shoeSize","value":43},{"op":"add","value":{"shoe size":43,"name":{"shoe":1,"givenName":"A"}}},{"op":"remove","path":"urn:x:y"}`, `{"title":"T","name":{"givenName":"A"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) { checkApply(t, users(), tt.before, tt.operations, tt.after) })
	}
}

func TestIgnoredIsReported(t *testing.T) {
	change, err := parse(message(`{"op":"add","path":"shoeSize","value":43},{"op":"add","value":{"name":{"shoe":1,"givenName":"A"},"id":"1","urn:x:2.0:Y":{"z":1}}},{"op":"remove","path":"active"}`), users())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := compact(t, change.Ignored), `["shoeSize","name.shoe","urn:x:2.0:Y","active"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseRefusesUser(t *testing.T) {
	for _, tt := range []struct{ name, operations, want string }{
		{"unknown op", `{"op":"move","path":"title","value":"x"}`, "400 invalidSyntax"},
		{"no op", `{"path":"title","value":"x"}`, "400 invalidSyntax"},
		{"no object", `"remove"`, "400 invalidSyntax"},
		{"path that is no string", `{"op":"add","path":7,"value":"x"}`, "400 invalidPath"},
		{"path without end", `{"op":"add","path":"emails[type eq","value":"x"}`, "400 invalidPath"},
		{"unknown attribute in a filter", `{"op":"add","path":"emails[foo eq \"x\"].value","value":"x"}`, "400 invalidPath"},
		{"filter on a single value", `{"op":"add","path":"name[givenName eq \"x\"]","value":"x"}`, "400 invalidPath"},
		{"sub-attribute twice", `{"op":"add","path":"emails.value[type eq \"x\"].value","value":"x"}`, "400 invalidPath"},
		{"groups", `{"op":"replace","path":"groups","value":[]}`, "400 mutability"},
		{"id", `{"op":"replace","path":"id","value":"x"}`, "400 mutability"},
		{"meta", `{"op":"remove","path":"meta.created"}`, "400 mutability"},
		{"schemas", `{"op":"remove","path":"schemas"}`, "400 mutability"},
		{"read-only sub-attribute", `{"op":"add","path":"manager.displayName","value":"x"}`, "400 mutability"},
		{"remove userName", `{"op":"remove","path":"userName"}`, "400 mutability"},
		{"empty userName", `{"op":"replace","path":"userName","value":""}`, "400 invalidValue"},
		{"null userName", `{"op":"replace","value":{"userName":null}}`, "400 invalidValue"},
		{"remove without path", `{"op":"remove"}`, "400 noTarget"},
		{"remove without path, with value", `{"op":"remove","value":{"title":"x"}}`, "400 noTarget"},
		{"no path and no object", `{"op":"add","value":"x"}`, "400 invalidValue"},
		{"no value", `{"op":"add","path":"title"}`, "400 invalidValue"},
		{"object for a string", `{"op":"add","path":"title","value":{}}`, "400 invalidValue"},
		{"word for a boolean", `{"op":"add","path":"active","value":"yes"}`, "400 invalidValue"},
		{"empty string for a boolean", `{"op":"add","path":"active","value":""}`, "400 invalidValue"},
		{"string for an object", `{"op":"add","path":"name","value":"Ada"}`, "400 invalidValue"},
		{"two values for one", `{"op":"add","path":"manager","value":["a","b"]}`, "400 invalidValue"},
		{"list in a list", `{"op":"add","path":"emails","value":[["a"]]}`, "400 invalidValue"},
		{"wrong base64", `{"op":"add","path":"x509Certificates","value":[{"value":"?"}]}`, "400 invalidValue"},
		{"key twice", `{"op":"add","path":"title","value":"x","Value":"y"}`, "400 invalidSyntax"},
		{"attribute twice", `{"op":"add","value":{"title":"x","Title":"y"}}`, "400 invalidSyntax"},
		{"sub-attribute twice", `{"op":"add","path":"name","value":{"givenName":"x","givenname":"y"}}`, "400 invalidSyntax"},
		{"a good one before a bad one", `{"op":"add","path":"title","value":"x"},{"op":"add","path":"active","value":7}`, "400 invalidValue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change, err := parse(message(tt.operations), users())
			if err == nil {
				t.Fatalf("accepted: %+v", change)
			}
			wantError(t, err, tt.want)
		})
	}
}

func TestApplyFailureChangesNothing(t *testing.T) {
	const before = `{"title":"T","emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x"}],"` + enterprise + `":{"manager":{"value":"m"}}}`
	for _, tt := range []struct{ name, operation, want string }{
		{"no such element, and no way to tell what to make", `{"op":"replace","path":"emails[type eq \"a\" or type eq \"b\"].value","value":"x"}`, "400 noTarget"},
		{"no such element by substring", `{"op":"add","path":"emails[value co \"zzz\"].value","value":"x"}`, "400 noTarget"},
		{"several elements without a filter", `{"op":"replace","path":"emails.value","value":"x"}`, "400 noTarget"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change, err := parse(message(`{"op":"replace","path":"title","value":"X"},{"op":"remove","path":"manager"},{"op":"add","path":"emails","value":[{"value":"n@x","primary":true}]},`+tt.operation), users())
			if err != nil {
				t.Fatal(err)
			}
			attrs := object(t, before)
			changed, err := Apply(attrs, change.Attributes, users())
			wantError(t, err, tt.want)
			if wrong := (scim.ScimError{}); !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Detail, "Operations[3]: ") {
				t.Errorf("error %v does not name the operation", err)
			}
			if got := compact(t, attrs); changed || got != compact(t, object(t, before)) {
				t.Errorf("changed is %v, the attributes %s", changed, got)
			}
		})
	}
}

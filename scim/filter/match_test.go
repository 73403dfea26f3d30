package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/elimity-com/scim/schema"
)

// userSchema has an attribute of every type: the User, the enterprise extension and one of our own.
func userSchema() Schema {
	return Schema{
		Core: schema.CoreUserSchema(),
		Extensions: []schema.Schema{schema.ExtensionEnterpriseUser(), {
			ID: "urn:example:Extra",
			Attributes: []schema.CoreAttribute{
				schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "level", Type: schema.AttributeTypeInteger()})),
				schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "ratio"})),
				schema.SimpleCoreAttribute(schema.SimpleDateTimeParams(schema.DateTimeParams{Name: "hired"})),
				schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: "tags", MultiValued: true})),
			},
		}},
	}
}

func groupSchema() schema.Schema { return schema.CoreGroupSchema() }

func ada() map[string]any {
	var m map[string]any
	err := json.Unmarshal([]byte(`{
		"id": "AbC", "externalId": "Ext1", "userName": "Ada@Example.com", "active": true, "title": "", "nickName": null,
		"name": {"givenName": "Ada", "familyName": "Łukasz"},
		"emails": [{"type": "work", "value": "ada@example.com", "primary": true}, {"type": "home", "value": "ada@home.example"}],
		"roles": [{"value": "Admin", "primary": "True"}],
		"addresses": [],
		"x509Certificates": [{"value": "QUJD"}],
		"meta": {"created": "2026-01-02T03:04:05Z", "resourceType": "User"},
		"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D", "manager": {"value": "00aa"}},
		"urn:example:Extra": {"level": 7, "ratio": 0.5, "hired": "2020-05-01T00:00:00+02:00", "tags": ["blue", "Green"]}
	}`), &m)
	if err != nil {
		panic(err)
	}
	return m
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		filter string
		want   bool
	}{
		{`userName eq "ada@example.COM"`, true},
		{`USERNAME eq "ada@example.com"`, true},
		{`userName ne "ada@example.com"`, false},
		{`id eq "AbC"`, true},
		{`id eq "abc"`, false},
		{`externalId eq "ext1"`, false},
		{`externalId eq Ext1`, true},
		{`userName co "EXAMPLE"`, true},
		{`userName sw "ada@" and userName ew ".com"`, true},
		{`id co "bc"`, false},
		{`userName gt "Aaa" and userName lt "b"`, true},
		{`name.familyName eq "łukasz"`, true},
		{`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName eq "ada"`, true},
		{`active eq true`, true},
		{`active eq "True"`, true},
		{`active eq "false"`, false},
		{`active ne false`, true},
		{`emails eq "ada@home.example"`, true},
		{`emails.value eq "ada@home.example"`, true},
		{`emails co "nowhere"`, false},
		{`emails.type eq "other"`, false},
		{`emails[type eq "work" and value co "home"]`, false},
		{`emails[type eq "home" and value co "home"]`, true},
		{`emails[type eq "work"].value eq "ADA@example.com"`, true},
		{`emails[type eq "work"].value eq "ada@home.example"`, false},
		{`emails[not (primary eq true)].value ew "home.example"`, true},
		{`emails[primary eq "True"]`, true},
		{`roles[primary eq true].value eq "admin"`, true},
		{`name[givenName eq "Ada"]`, true},
		{`manager eq "00aa"`, true},
		{`id eq "AbC" and manager eq "00aa"`, true},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "00aa"`, true},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department eq "r&d"`, true},
		{`urn:example:Extra:level eq 7`, true},
		{`level gt 6 and level le 7 and ratio lt 0.6`, true},
		{`level eq "7"`, true},
		{`hired eq "2020-04-30T22:00:00Z"`, true},
		{`hired ge "2021-01-01T00:00:00Z"`, false},
		{`hired sw "2020"`, true},
		{`meta.created lt "2026-01-02T03:04:06Z"`, true},
		{`meta.resourceType eq "User"`, true},
		{`tags eq "green"`, true},
		{`tags[value sw "bl"]`, true},
		{`tags eq "red"`, false},
		{`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`, true},
		{`x509Certificates.value eq "QUJD"`, true},
		{`x509Certificates.value eq "qujd"`, false},
		{`userName pr and active pr and name pr and emails pr`, true},
		{`title pr`, false},
		{`nickName pr`, false},
		{`displayName pr`, false},
		{`addresses pr`, false},
		{`displayName eq null and nickName eq null and addresses eq null`, true},
		{`userName ne null`, true},
		{`displayName ne "x"`, true},
		{`displayName eq "x"`, false},
		{`displayName gt "x"`, false},
		{`emails[type ne "work"]`, true},
		{`not (userName pr)`, false},
		{`userName eq "x" or active eq true`, true},
		{`userName eq "x" and active eq true`, false},
	} {
		e, err := Parse(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		if err := userSchema().Validate(e); err != nil {
			t.Errorf("Validate(%s): %v", tt.filter, err)
		}
		got, err := Match(e, ada(), userSchema())
		if err != nil || got != tt.want {
			t.Errorf("Match(%s) = %v, %v; want %v", tt.filter, got, err, tt.want)
		}
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, filter := range []string{
		`foo eq "x"`, `name.foo eq "x"`, `userName.foo eq "x"`, `urn:unknown:x eq "x"`, `emails[foo eq "x"]`, `emails[type eq "work"].foo eq "y"`, `emails[id eq "x"]`,
		`active gt true`, `active co "t"`, `active eq "maybe"`, `x509Certificates.value gt "x"`, `level co 7`, `level eq "seven"`, `hired gt "yesterday"`,
		`name eq "x"`, `title gt null`, `userName[value eq "x"]`, `emails.value[value eq "x"]`, `tags[foo eq "x"]`, `emails[urn:a:type eq "x"]`,
		`password eq "x"`, `not (Password eq "x")`, `password pr`, `urn:ietf:params:scim:schemas:core:2.0:User:password ne null`,
	} {
		e, err := Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		var want *Error
		if err := userSchema().Validate(e); !errors.As(err, &want) {
			t.Errorf("Validate(%s) = %v, want an *Error", filter, err)
		}
		if ok, err := Match(e, ada(), userSchema()); ok || !errors.As(err, &want) {
			t.Errorf("Match(%s) = %v, %v; want an *Error", filter, ok, err)
		}
	}
}

func TestMatchOfElement(t *testing.T) {
	emails, ok := userSchema().Find("", "EMAILS")
	if !ok || emails.Name != "emails" {
		t.Fatalf("Find = %+v, %v", emails, ok)
	}
	e, err := Parse(`type eq "work" and primary eq "True"`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		element any
		want    bool
	}{
		{map[string]any{"type": "work", "primary": true}, true},
		{map[string]any{"type": "work"}, false},
		{"work", false},
		{nil, false},
	} {
		if got, err := emails.Match(e, tt.element); err != nil || got != tt.want {
			t.Errorf("Match(%v) = %v, %v; want %v", tt.element, got, err, tt.want)
		}
	}
}

func BenchmarkMatchUserName(b *testing.B) {
	e, err := Parse(`userName eq "unknown" or emails[type eq "work"].value eq "ada@example.com"`)
	if err != nil {
		b.Fatal(err)
	}
	s, user := userSchema(), ada()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := Match(e, user, s); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// Many values need not be held at once, and no more of them are looked at than it takes.
func TestMatchReadsValuesLazily(t *testing.T) {
	s := Schema{Core: groupSchema()}
	for _, tt := range []struct {
		filter string
		want   bool
		most   int
	}{
		{`members pr`, true, 1},
		{`members.type eq "User"`, true, 1},
		{`members[type eq "User" and value eq "u2"]`, true, 3},
		{`members.value eq "unknown"`, false, 1000},
		{`members[type eq "Group"] or members.value sw "u1"`, true, 1002},
		{`not (members.value eq "u9")`, false, 10},
		{`members ne "u0"`, true, 3},
		{`members eq null`, false, 1},
	} {
		e, err := Parse(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		looked := 0
		got, err := Match(e, map[string]any{"members": iter.Seq[any](func(yield func(any) bool) {
			for i := range 1000 {
				if looked++; !yield(map[string]any{"value": fmt.Sprint("u", i), "type": "User"}) {
					return
				}
			}
		})}, s)
		if err != nil || got != tt.want || looked == 0 || looked > tt.most {
			t.Errorf("%s: %v, %v after %d values", tt.filter, got, err, looked)
		}
	}
}

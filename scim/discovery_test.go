package scim_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A correction is what differs from section 8.7 of RFC 7643 as published: the change, and who says
// so. The page docs/conformance.md has a line with the schema, the path and the reference of each.
type correction struct{ schema, path, change, reference string }

// errata are corrections that the RFC Editor has verified. Other errata of section 8.7 change no
// characteristic.
func errata() []correction {
	return []correction{
		{"User", "name", "uniqueness=-", "erratum 6004"},
		{"User", "emails", "uniqueness=-", "erratum 6004"},
		{"User", "addresses", "uniqueness=-", "erratum 6004"},
		{"User", "groups.$ref", "referenceTypes=Group", "erratum 8471"},
		{"Group", "displayName", "required=true", "erratum 5368"},
		{"EnterpriseUser", "manager.value", "caseExact=true", "erratum 8472"},
		{"ResourceType", "name", "caseExact=true uniqueness=server", "erratum 8475"},
		{"ResourceType", "endpoint", "caseExact=true uniqueness=server", "erratum 8475"},
		{"ResourceType", "schemaExtensions", "multiValued=true", "erratum 7522"},
		{"Schema", "attributes.type", "canonicalValues=string,complex,boolean,decimal,integer,dateTime,reference,binary", "erratum 5606"},
		{"Schema", "attributes.subAttributes.type", "canonicalValues=string,boolean,decimal,integer,dateTime,reference,binary", "erratum 8415"},
		{"Schema", "attributes.subAttributes.referenceTypes", "multiValued=true", "erratum 5607"},
	}
}

// exceptions are where this server differs from the corrected section, with the section that
// justifies it.
func exceptions() []correction {
	const readOnly = "multiValued=false mutability=readOnly returned=default "
	return []correction{
		{"User", "profileUrl", "caseExact=true", "section 2.3.7"},
		{"User", "photos.value", "caseExact=true", "section 2.3.7"},
		{"User", "groups.$ref", "caseExact=true", "section 2.3.7"},
		{"Group", "members.$ref", "caseExact=true", "section 2.3.7"},
		{"EnterpriseUser", "manager.$ref", "caseExact=true", "section 2.3.7"},
		{"Service Provider Configuration", "documentationUri", "caseExact=true", "section 2.3.7"},
		{"Service Provider Configuration", "authenticationSchemes.specUri", "caseExact=true", "section 2.3.7"},
		{"Service Provider Configuration", "authenticationSchemes.documentationUri", "caseExact=true", "section 2.3.7"},
		{"User", "x509Certificates", "caseExact=-", "section 2.3.8"},
		{"User", "x509Certificates.value", "caseExact=true", "section 2.3.6"},
		{"User", "addresses.primary", "type=boolean multiValued=false required=false mutability=readWrite returned=default", "section 2.4"},
		{"Group", "displayName", "uniqueness=server", "section 7"},
		{"Group", "members.value", "caseExact=true", "section 3.1"},
		{"Service Provider Configuration", "etag", readOnly + "type=complex required=true", "section 5"},
		{"Service Provider Configuration", "etag.supported", readOnly + "type=boolean required=true", "section 5"},
		{"Service Provider Configuration", "authenticationSchemes.type", readOnly +
			"type=string required=true caseExact=false uniqueness=none canonicalValues=oauth,oauth2,oauthbearertoken,httpbasic,httpdigest", "section 5"},
		{"Service Provider Configuration", "authenticationSchemes.primary", readOnly + "type=boolean required=false", "section 2.4"},
		{"Service Provider Configuration", "pagination", readOnly + "type=complex required=false", "RFC 9865"},
		{"Service Provider Configuration", "pagination.cursor", readOnly + "type=boolean required=true", "RFC 9865"},
		{"Service Provider Configuration", "pagination.index", readOnly + "type=boolean required=true", "RFC 9865"},
		{"Service Provider Configuration", "pagination.defaultPaginationMethod", readOnly +
			"type=string required=false caseExact=false uniqueness=none canonicalValues=cursor,index", "RFC 9865"},
		{"Service Provider Configuration", "pagination.defaultPageSize", readOnly + "type=integer required=false uniqueness=none", "RFC 9865"},
		{"Service Provider Configuration", "pagination.maxPageSize", readOnly + "type=integer required=false uniqueness=none", "RFC 9865"},
		{"Service Provider Configuration", "pagination.cursorTimeout", readOnly + "type=integer required=false uniqueness=none", "RFC 9865"},
	}
}

// columns are the characteristics in the order of the test data.
var columns = []string{"type", "multiValued", "required", "caseExact", "mutability", "returned", "uniqueness", "canonicalValues", "referenceTypes"}

// published is a schema as section 8.7 has it: characteristics by path. Absent ones are absent.
type published struct {
	id, name   string
	attributes map[string]map[string]string
}

// section87 reads the facts of the RFC and corrects them. A correction that changes nothing fails
// the test.
func section87(t *testing.T) map[string]*published {
	t.Helper()
	data, err := os.ReadFile("testdata/rfc7643-8.7.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*published{}
	var at *published
	for line := range strings.Lines(string(data)) {
		cells := strings.Fields(line)
		switch {
		case len(cells) == 0 || cells[0] == "#":
		case cells[0] == "=":
			at = &published{id: cells[1], name: strings.Join(cells[2:], " "), attributes: map[string]map[string]string{}}
			all[at.name] = at
		default:
			at.attributes[cells[0]] = map[string]string{}
			for i, c := range columns {
				set(at.attributes[cells[0]], c, cells[i+1])
			}
		}
	}
	for _, c := range slices.Concat(errata(), exceptions()) {
		a := all[c.schema].attributes[c.path]
		before := maps.Clone(a)
		if a == nil {
			a = map[string]string{}
			all[c.schema].attributes[c.path] = a
		}
		for _, pair := range strings.Fields(c.change) {
			name, value, _ := strings.Cut(pair, "=")
			set(a, name, value)
		}
		if maps.Equal(a, before) {
			t.Errorf("%s %s: %q is no correction: the RFC says so already", c.schema, c.path, c.change)
		}
	}
	return all
}

func set(a map[string]string, name, value string) {
	delete(a, name)
	if value != "-" {
		a[name] = value
	}
}

// characteristics returns those of an attribute as it is served, and those of its sub-attributes,
// by path.
func characteristics(t *testing.T, list any, prefix string, into map[string]map[string]string) {
	t.Helper()
	for _, element := range list.([]any) {
		a := element.(map[string]any)
		path := prefix + a["name"].(string)
		if into[path] != nil {
			t.Errorf("%s is there twice", path)
		}
		into[path] = map[string]string{}
		if text, _ := a["description"].(string); text == "" {
			t.Errorf("%s has no description", path)
		}
		for key, value := range a {
			switch v := value.(type) {
			case string:
				into[path][key] = v
			case bool:
				into[path][key] = map[bool]string{true: "true", false: "false"}[v]
			case []any:
				var texts []string
				for _, one := range v {
					if text, ok := one.(string); ok {
						texts = append(texts, text)
					}
				}
				into[path][key] = strings.Join(texts, ",")
			default:
				t.Errorf("%s: %s is %v", path, key, value)
			}
		}
		delete(into[path], "name")
		delete(into[path], "description")
		delete(into[path], "subAttributes")
		if subs, ok := a["subAttributes"]; ok {
			characteristics(t, subs, path+".", into)
		}
	}
}

// TestSchemasAsInTheRFC holds every characteristic of every attribute to RFC 7643 section 8.7, its
// verified errata and the justified exceptions.
func TestSchemasAsInTheRFC(t *testing.T) {
	want := section87(t)
	w := newWorld(t)
	served := map[string]bool{}
	for _, r := range w.must(200, "GET", "/Schemas", "").json(t)["Resources"].([]any) {
		doc := r.(map[string]any)
		name, _ := doc["name"].(string)
		served[name] = true
		schema := want[name]
		if schema == nil {
			t.Errorf("%q is no schema of the RFC", name)
			continue
		}
		if doc["id"] != schema.id || doc["description"] == "" || !reflect.DeepEqual(doc["schemas"], []any{schemaSchema}) {
			t.Errorf("%s: id %v, description %q, schemas %v", name, doc["id"], doc["description"], doc["schemas"])
		}
		got := map[string]map[string]string{}
		characteristics(t, doc["attributes"], "", got)
		for path, a := range schema.attributes {
			if !maps.Equal(got[path], a) {
				t.Errorf("%s %s:\n got %v\nwant %v", name, path, got[path], a)
			}
			delete(got, path)
		}
		for path := range got {
			t.Errorf("%s %s is neither in the RFC nor an exception", name, path)
		}
	}
	if len(served) != len(want) {
		t.Errorf("%d schemas, want %d", len(served), len(want))
	}
}

// TestExceptionsAreExplained holds docs/conformance.md to the corrections: each has a line with its
// reference.
func TestExceptionsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(errata(), exceptions()) {
		explained := false
		for line := range strings.Lines(string(page)) {
			explained = explained || strings.HasPrefix(line, "| "+c.schema+" |") && strings.Contains(line, "`"+c.path+"`") && strings.Contains(line, c.reference)
		}
		if !explained {
			t.Errorf("docs/conformance.md does not explain %s %s by %s", c.schema, c.path, c.reference)
		}
	}
}

const (
	schemaSchema = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	typeSchema   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	configSchema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
)

// follows checks a value against the attributes that a schema declares: nothing else is in it, what
// is required is there, and every value has the type and, where the schema names values, is one of
// them.
func follows(t *testing.T, at string, value map[string]any, attributes any) {
	t.Helper()
	declared := map[string]map[string]any{}
	for _, a := range attributes.([]any) {
		one := a.(map[string]any)
		declared[one["name"].(string)] = one
		if one["required"] == true && value[one["name"].(string)] == nil {
			t.Errorf("%s: %s is required and not there", at, one["name"])
		}
	}
	for name, v := range value {
		a := declared[name]
		if a == nil {
			t.Errorf("%s: %s is not declared", at, name)
			continue
		}
		list, many := v.([]any)
		if many != (a["multiValued"] == true) {
			t.Errorf("%s: %s is a list: %t", at, name, many)
		}
		if !many {
			list = []any{v}
		}
		for _, one := range list {
			followsType(t, at+"."+name, one, a)
		}
	}
}

func followsType(t *testing.T, at string, value any, a map[string]any) {
	t.Helper()
	ok := false
	switch a["type"] {
	case "boolean":
		_, ok = value.(bool)
	case "integer":
		n, isNumber := value.(float64)
		ok = isNumber && n == float64(int64(n))
	case "string", "reference":
		text, isText := value.(string)
		ok = isText && text != ""
		values, _ := a["canonicalValues"].([]any)
		if ok && values != nil && !slices.Contains(values, value) {
			t.Errorf("%s: %q is not one of %v", at, text, values)
		}
	case "complex":
		var object map[string]any
		if object, ok = value.(map[string]any); ok && a["subAttributes"] != nil {
			follows(t, at, object, a["subAttributes"])
		}
	}
	if !ok {
		t.Errorf("%s: %v is no %v", at, value, a["type"])
	}
}

// Each document of discovery is as its own schema, which is served as well, declares it.
func TestDiscoveryFollowsItsOwnSchemas(t *testing.T) {
	w := newWorld(t)
	schemas := map[string]any{}
	var documents []any
	for _, list := range []string{"/Schemas", "/ResourceTypes"} {
		all := w.must(200, "GET", list, "").json(t)["Resources"].([]any)
		documents = append(documents, all...)
		for _, r := range all {
			if doc := r.(map[string]any); list == "/Schemas" {
				schemas[doc["id"].(string)] = doc["attributes"]
			}
		}
	}
	documents = append(documents, w.must(200, "GET", "/ServiceProviderConfig", "").json(t))
	seen := map[string]int{}
	for _, r := range documents {
		doc := maps.Clone(r.(map[string]any))
		urn := doc["schemas"].([]any)[0].(string)
		seen[urn]++
		if meta := doc["meta"].(map[string]any); "urn:ietf:params:scim:schemas:core:2.0:"+meta["resourceType"].(string) != urn {
			t.Errorf("%s: %v", urn, meta)
		}
		if doc["id"] == schemaSchema { // it alone has a complex sub-attribute (section 7)
			continue
		}
		delete(doc, "schemas") // common attributes are of no schema (section 3.1)
		delete(doc, "meta")
		follows(t, urn, doc, schemas[urn])
	}
	if want := map[string]int{schemaSchema: 6, typeSchema: 2, configSchema: 1}; !maps.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

// Discovery says what is there, every location resolves, and nothing secret or null is in it.
func TestDiscovery(t *testing.T) {
	w := newWorld(t)
	w.seed()
	for _, list := range []string{"/Schemas", "/ResourceTypes"} {
		a := w.must(200, "GET", list, "")
		if strings.Contains(string(a.body), "null") {
			t.Errorf("%s holds a null", list)
		}
		for _, r := range a.json(t)["Resources"].([]any) {
			id, _ := r.(map[string]any)["id"].(string)
			for _, spelt := range []string{id, strings.ToUpper(id), strings.ToLower(id)} {
				one := w.must(200, "GET", list+"/"+spelt, "")
				var got any
				if err := json.Unmarshal(one.body, &got); err != nil || !reflect.DeepEqual(got, r) {
					t.Errorf("%s: %v, in the list %v (%v)", spelt, got, r, err)
				}
			}
			meta, _ := r.(map[string]any)["meta"].(map[string]any)
			if meta["location"] != "https://scim.example.com/scim/v2"+list+"/"+id || meta["resourceType"] != strings.TrimSuffix(list[1:], "s") {
				t.Errorf("%s: %v", id, meta)
			}
			if a := w.must(200, "HEAD", list+"/"+id, ""); len(a.body) != 0 || a.header.Get("Content-Type") != "application/scim+json" {
				t.Errorf("HEAD %s: %v %s", id, a.header, a.body)
			}
			scimError(t, w.do("GET", list+"/"+id+"?filter=id%20pr", ""), 403, "")
			scimError(t, w.do("POST", list+"/"+id, "{}"), 405, "")
			w.must(200, "GET", list+"/"+id+"?filter=&attributes=id", "") // no filter, and other parameters are ignored
		}
		scimError(t, w.do("GET", list+"/urn:ietf:params:scim:schemas:core:2.0:Device", ""), 404, "")
	}
	config := w.must(200, "GET", "/ServiceProviderConfig", "").json(t)
	for feature, want := range map[string]bool{"patch": true, "filter": true, "bulk": true, "sort": true, "etag": true, "changePassword": false} {
		if got := config[feature].(map[string]any)["supported"]; got != want {
			t.Errorf("%s: %v", feature, got)
		}
	}
}

// The schemes of the static tokens are those that the answer 401 challenges for.
func TestSchemesOfTokensAsChallenged(t *testing.T) {
	w := newWorld(t)
	var got, challenged []string
	primary := 0
	for _, s := range w.must(200, "GET", "/ServiceProviderConfig", "").json(t)["authenticationSchemes"].([]any) {
		scheme := s.(map[string]any)
		got = append(got, map[string]string{"oauthbearertoken": "Bearer", "httpbasic": "Basic"}[scheme["type"].(string)])
		if scheme["primary"] == true {
			primary++
		}
	}
	for _, c := range w.must(401, "GET", "/ServiceProviderConfig", "", "Authorization", "Bearer nonsense").header.Values("WWW-Authenticate") {
		scheme, _, _ := strings.Cut(c, " ")
		challenged = append(challenged, scheme)
	}
	if !slices.Equal(got, challenged) || primary != 1 {
		t.Errorf("%q listed, %d of them primary, %q challenged", got, primary, challenged)
	}
}

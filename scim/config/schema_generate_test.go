package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/notify"
)

var update = flag.Bool("update", false, "write schema.json")

// TestSchemaIsCurrent holds schema.json to the types and to the pages that describe the keys.
func TestSchemaIsCurrent(t *testing.T) {
	g := generator{t, descriptions(t), kinds()}
	root := g.of(reflect.ValueOf(Default()).Elem(), "")
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", "Configuration of Scimbridge"
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("schema.json", []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if stored, err := os.ReadFile("schema.json"); err != nil || string(stored) != out.String() {
		t.Errorf("schema.json is not what the types and the pages say (%v); run this test with -update", err)
	}
}

type object = map[string]any

// generator makes a schema of the types of the configuration.
type generator struct {
	t     *testing.T
	about map[string]string // descriptions of keys
	kinds map[string]backend.Kind
}

// of returns the schema of a value at a path, whose contents are the defaults. Like the decoder, it
// takes an empty value for a key that is not given.
func (g generator) of(v reflect.Value, path string) object {
	out := g.form(v, path)
	if types, ok := out["type"].(string); ok && path != "" && path != "mappings" && path != "identity_providers" {
		out["type"] = []string{types, "null"}
	}
	if path != "" {
		out["description"] = g.describe(path)
	}
	g.refine(path, out)
	return out
}

func (g generator) form(v reflect.Value, path string) object {
	switch one := v.Interface().(type) {
	case Secret, *int:
		if _, number := one.(*int); number {
			return object{"type": "integer"}
		}
		return object{"type": []string{"string", "number", "null"}}
	case Names:
		return object{"type": []string{"string", "number", "array", "null"}, "items": anyText()}
	case Duration:
		const unit = `([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)`
		return withDefault(object{"type": []string{"string", "integer", "null"}, "pattern": `^\+?(0|(` + unit + `)+)$`, "maximum": 0, "minimum": 0}, one.String(), one != 0)
	case Size:
		return withDefault(object{"type": []string{"string", "null"}, "pattern": "^[0-9]+(MiB|GiB)$"}, one.String(), one != 0)
	case Day:
		return object{"type": []string{"string", "null"}, "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$`}
	case Token:
		return object{"anyOf": []any{object{"type": []string{"string", "number"}}, g.block(v, path)}}
	}
	switch v.Kind() {
	case reflect.Pointer:
		entry := reflect.New(v.Type().Elem())
		if d, ok := entry.Interface().(defaulted); ok {
			d.setDefaults()
		}
		return g.block(entry.Elem(), path)
	case reflect.Struct:
		return g.block(v, path)
	case reflect.Map:
		entry := reflect.New(v.Type().Elem()).Elem()
		if entry.Kind() == reflect.String {
			return object{"type": "object", "additionalProperties": anyText()}
		}
		form := g.form(entry, path)
		g.refine(path+".*", form)
		return object{"type": "object", "additionalProperties": form, "propertyNames": object{"pattern": plainName.String()}}
	case reflect.Slice:
		element := g.form(reflect.New(v.Type().Elem()).Elem(), path)
		g.refine(path+".0", element)
		return object{"type": "array", "items": element}
	case reflect.Bool:
		return object{"type": "boolean", "default": v.Bool()}
	case reflect.Int:
		return withDefault(object{"type": "integer"}, v.Int(), v.Int() != 0)
	case reflect.String:
		return withDefault(anyText(), v.String(), v.String() != "")
	}
	g.t.Fatalf("%s: no schema of a %s", path, v.Type())
	return nil
}

// anyText is a text, which the decoder also reads from a number or from true and false.
func anyText() object { return object{"type": []string{"string", "number", "boolean", "null"}} }

func withDefault(o object, value any, given bool) object {
	if given {
		o["default"] = value
	}
	return o
}

func (g generator) block(v reflect.Value, path string) object {
	properties := object{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		key := f.Tag.Get("yaml")
		if key == "" || key == "-" || f.Anonymous {
			continue
		}
		properties[key] = g.of(v.FieldByIndex(f.Index), strings.TrimPrefix(path+"."+key, "."))
	}
	return object{"type": "object", "additionalProperties": false, "properties": properties}
}

// sameKeys are blocks that have the keys of another block, which alone is described.
var sameKeys = strings.NewReplacer("oauth.clients.federation.", "jwt.", "oauth.clients.secrets.", "tokens.", "mappings.grants.", "mappings.")

func (g generator) describe(path string) string {
	about := g.about[path]
	if about == "" {
		about = g.about[sameKeys.Replace(path)]
	}
	if about == "" {
		g.t.Errorf("%s is described on no page", path)
	}
	return about
}

// refine adds what the validator requires at a path.
func (g generator) refine(path string, o object) {
	for _, p := range []string{path, sameKeys.Replace(path)} {
		for _, r := range refinements(slices.Sorted(maps.Keys(g.kinds))) {
			if slices.Contains(r.paths, p) {
				maps.Copy(o, r.form)
				return
			}
		}
	}
}

// descriptions reads what the pages say about each key.
func descriptions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	read := func(page, section string, column func(cells []string) string) {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		at, name := section, regexp.MustCompile("`([a-z_.]+)`")
		for _, line := range strings.Split(string(raw), "\n") {
			if heading, ok := strings.CutPrefix(line, "## "); ok && section == "" {
				at = map[bool]string{false: heading + "."}[heading == "Sections" || heading == "Warnings"]
			}
			cells := strings.Split(line, " | ")
			if !strings.HasPrefix(line, "| `") || len(cells) < 2 {
				continue
			}
			for _, m := range name.FindAllStringSubmatch(cells[0], -1) {
				out[at+m[1]] = plain(column(cells))
			}
		}
	}
	read("../../docs/reference/configuration.md", "", func(cells []string) string { return cells[len(cells)-1] })
	read("../../docs/mapping/reference.md", "mappings.", func(cells []string) string { return cells[1] })
	return out
}

// plain returns a cell of a table without its links.
func plain(cell string) string {
	cell = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(cell, "$1")
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(cell), "|"))
}

// refinement is a requirement of the validator, with values that it refuses.
type refinement struct {
	paths   []string
	form    object
	refused []string // YAML, in place of the value at the first path
}

func oneOf(words ...string) object {
	all := make([]any, 0, len(words)+1)
	for _, w := range words {
		all = append(all, w)
	}
	return object{"enum": append(all, nil)}
}

func pattern(expression string) object {
	return object{"type": []string{"string", "null"}, "pattern": expression}
}

func required(keys ...string) object { return object{"required": keys} }

// refinements are the requirements that a schema can express.
func refinements(kinds []string) []refinement {
	const (
		rate = `^0*[1-9][0-9]*/(s|min|h)$`
		link = `^(|https?://.+)$`
		id   = `^(|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`
	)
	idp, vendor := "identity_providers.", "backends."
	must := func(words ...string) object { return object{"enum": words} }
	count := func(least int) object { return object{"minimum": least} }
	return []refinement{
		{[]string{""}, required("identity_providers", "mappings"), nil},
		{[]string{"identity_providers"}, object{"minProperties": 1}, []string{"{}", "", "{a b: {}}"}},
		{[]string{"mappings"}, object{}, []string{"", "5"}},
		{[]string{"server.listen", "console.listen"}, pattern(`:[0-9]{1,5}$`), []string{"here", "127.0.0.1", "'127.0.0.1:port'"}},
		{[]string{"server.public_url"}, pattern(link), []string{"scim.example.com", "ftp://scim.example.com"}},
		{[]string{"server.limits.requests", "server.limits.failures", "backends.rate_limit"}, pattern(rate), []string{"5", "0/s", "5/day", "many"}},
		{[]string{"server.limits.connections", "server.limits.connections_per_address"}, count(1), []string{"0", "-1", "many"}},
		{[]string{"store.driver"}, oneOf("bolt", "postgres"), []string{"sqlite", "Bolt"}},
		{[]string{idp + "rate_limit"}, pattern("^$|" + rate), []string{"5", "many"}},
		{[]string{idp + "put_without_members"}, oneOf("keep", "clear", ""), []string{"empty"}},
		{[]string{idp + "client_certificates.0"}, object{"pattern": `^(sha256:[0-9a-fA-F]{64}|[A-Za-z0-9.]+=.+)$`}, []string{"okta"}},
		{[]string{idp + "jwt.preset"}, oneOf("entra", ""), []string{"okta"}},
		{[]string{idp + "jwt.tenant", idp + "jwt.app_id"}, pattern(id), []string{"acme"}},
		{[]string{idp + "jwt.jwks_url"}, pattern(link), []string{"ftp://idp.example.com/keys"}},
		{[]string{idp + "jwt.algorithms.0"}, must(algorithms()...), []string{"HS256", "none"}},
		{[]string{idp + "oauth.clients.0"}, required("id"), []string{"{secrets: [env:SECRET]}"}},
		{[]string{idp + "oauth.clients.id"}, object{"pattern": plainName.String()}, []string{"a b"}},
		{[]string{"operators.keys.0"}, object{"type": "object", "required": []string{"name", "role", "key"}}, []string{"{name: ci, role: viewer}", "{role: viewer, key: env:KEY}", ""}},
		{[]string{"operators.keys.name"}, object{"type": []string{"string", "number"}, "pattern": plainName.String(), "not": object{"const": "local"}}, []string{"a b", "local", ""}},
		{[]string{"operators.keys.role"}, must(auth.Roles()...), []string{"owner", ""}},
		{[]string{"notify.0"}, object{"type": "object", "required": []string{"kind"}}, []string{"{url: env:HOOK}", ""}},
		{[]string{"notify.kind"}, must(notify.Kinds()...), []string{"pigeon", ""}},
		{[]string{"notify.port"}, object{"minimum": 0, "maximum": 65535}, []string{"70000", "smtp"}},
		{[]string{"notify.name"}, object{"type": []string{"string", "number", "null"}, "pattern": "^$|" + plainName.String()}, []string{"a b"}},
		{[]string{"notify.on.0"}, must(notify.Types()...), []string{"holds"}},
		{[]string{vendor + "*"}, object{"type": "object", "required": []string{"kind", "url", "mode"}}, []string{"{kind: virustotal, url: simulated}", "{kind: virustotal, mode: sync}", "{url: simulated, mode: sync}", ""}},
		{[]string{vendor + "kind"}, must(kinds...), []string{"vt", ""}},
		{[]string{vendor + "url"}, object{"type": "string", "pattern": `^(simulated(:(strict|lenient|partial)?)?|https?://.+)$`}, []string{"simulated:often", "www.virustotal.com", ""}},
		{[]string{vendor + "mode"}, must("observe", "add_only", "sync"), []string{"sink", ""}},
		{[]string{vendor + "match"}, oneOf("email", "userName", "externalId"), []string{"id"}},
		{[]string{vendor + "on_missing_user"}, oneOf("wait", "invite", "create"), []string{"ignore"}},
		{[]string{vendor + "on_deactivate"}, oneOf("remove_roles", "remove_member", "disable_user"), []string{"nothing"}},
		{[]string{vendor + "batch.size"}, object{"minimum": 1, "maximum": 1000}, []string{"0", "1001", "many"}},
		{[]string{vendor + "max_removals.count", vendor + "max_removals.percent", vendor + "max_offboardings.count", vendor + "max_offboardings.percent"}, count(0), []string{"-1", "few"}},
		{[]string{"mappings.0"}, object{"type": "object", "allOf": []any{
			object{"anyOf": []any{required("group"), required("match"), required("external_id"), required("id")}},
			object{"anyOf": []any{required("backend", "target"), required("grants")}},
		}}, []string{"{backend: vt, target: a, roles: [USER_ROLE_GROUP_ADMIN]}", "{group: A}", "{group: A, backend: vt, roles: [USER_ROLE_GROUP_ADMIN]}", "", "5"}},
		{[]string{"mappings.grants.0"}, object{"type": "object", "required": []string{"backend", "target"}}, []string{"{backend: vt}", ""}},
		{[]string{"mappings.max_targets"}, count(1), []string{"0", "many"}},
	}
}

// algorithms are those that the message about a wrong one lists.
func algorithms() []string {
	v := newValidation(nil, nil)
	v.root = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	v.signed([]string{"x"}, JWT{Algorithms: []string{"none"}})
	for _, p := range v.problems {
		if _, list, found := strings.Cut(p.text, "is not one of "); found {
			return strings.Split(list, ", ")
		}
	}
	panic(fmt.Sprint(v.problems))
}

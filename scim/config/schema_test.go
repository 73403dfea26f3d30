package config

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// trialFile is a configuration without a mistake.
const trialFile = `
identity_providers:
  okta:
    tokens: [of-the-tests-0123456789]
    jwt: {issuer: https://idp.example.com, audience: scim, jwks_url: https://idp.example.com/keys}
backends: {vt: {kind: virustotal, url: simulated, mode: sync}}
mappings: [{group: A, backend: vt, target: a, roles: [USER_ROLE_GROUP_ADMIN]}]
`

// TestSchemaAccepts holds the schema to accept what the validator accepts: the example, the pages, and
// the files of the scripts. A secret that is not there is no mistake for either.
func TestSchemaAccepts(t *testing.T) {
	valid, accepted := validator(t), 0
	for name, text := range configurations(t) {
		_, v, err := examine(name, []byte(text), kinds())
		if err != nil || slices.ContainsFunc(v.problems, func(p problem) bool { return !p.absent && !strings.Contains(p.text, "ca_file: open ") }) {
			continue
		}
		accepted++
		if err := valid(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if accepted < 35 {
		t.Errorf("only %d configurations", accepted)
	}
}

// TestSchemaRefuses holds each requirement of the schema to the validator: both refuse the same
// values, at the same key.
func TestSchemaRefuses(t *testing.T) {
	valid := validator(t)
	check := func(path, value string) {
		t.Helper()
		at := place(path)
		text := changed(t, at, value)
		_, v, err := examine("file", []byte(text), kinds())
		if err != nil {
			t.Fatal(err)
		}
		near := strings.Join(at[:max(1, len(at)-1)], ".")
		if !slices.ContainsFunc(v.problems, func(p problem) bool { return strings.Contains(p.text, near) }) {
			t.Errorf("%s: %q: the validator accepts it: %v", path, value, v.problems)
		}
		if valid(text) == nil {
			t.Errorf("%s: %q: the schema accepts it", path, value)
		}
	}
	if valid(trialFile) != nil {
		t.Fatal(valid(trialFile))
	}
	for _, r := range refinements(slices.Sorted(maps.Keys(kinds()))) {
		for _, path := range r.paths {
			for _, value := range r.refused {
				check(path, value)
			}
		}
	}
	for path := range blocks(t) { // no key takes a list of lists
		if path != "" {
			check(path, "[[[x]]]")
		}
	}
	for path, wrong := range map[string]string{
		"store.lease": "soon", "backends.call_timeout": "30", "backends.batch.wait": "-1s", "server.body_memory": "256", "mappings.paused": "maybe",
		"identity_providers.tokens.0": "{value: of-the-tests-0123456789, expires: soon}",
	} {
		check(path, wrong)
	}
}

// TestSchemaKeys holds the keys of the schema to those that the validator knows in each block.
func TestSchemaKeys(t *testing.T) {
	valid, known := validator(t), regexp.MustCompile(`unknown key "zzzzzzzz"; known here: (.*)`)
	for path, keys := range blocks(t) {
		if len(keys) == 0 {
			continue
		}
		text := changed(t, place(strings.TrimPrefix(path+".zzzzzzzz", ".")), "1")
		_, v, err := examine("file", []byte(text), kinds())
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		for _, p := range v.problems {
			if m := known.FindStringSubmatch(p.text); m != nil {
				found = m[1]
			}
		}
		if want := strings.Join(slices.Sorted(slices.Values(keys)), ", "); found != want {
			t.Errorf("%s: the validator knows %s\nthe schema %s", path, found, want)
		}
		if valid(text) == nil {
			t.Errorf("%s: the schema accepts an unknown key", path)
		}
	}
}

// TestExampleNamesSchema holds the first line of config.example.yaml, which editors read.
func TestExampleNamesSchema(t *testing.T) {
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^# yaml-language-server: \$schema=(\S+)$`).FindSubmatch(example)
	if m == nil {
		t.Fatal("config.example.yaml names no schema")
	}
	if named, err := os.ReadFile(filepath.Join("../..", string(m[1]))); err != nil || string(named) != Schema() {
		t.Errorf("%s: %v", m[1], err)
	}
}

// validator returns a function that validates YAML by the schema.
func validator(t *testing.T) func(text string) error {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) error {
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(err)
		}
		return compiled.Validate(valueOf(t, &root))
	}
}

// valueOf returns a node as JSON has it: a date is a text.
func valueOf(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.DocumentNode:
		return valueOf(t, n.Content[0])
	case yaml.AliasNode:
		return valueOf(t, n.Alias)
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = valueOf(t, n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, valueOf(t, c))
		}
		return out
	}
	if n.ShortTag() == "!!timestamp" {
		return n.Value
	}
	var out any
	if err := n.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// configurations returns every configuration that the repository shows, by its name.
func configurations(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{"trial": trialFile}
	read := func(path string) string {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	out["example"] = read("../../config.example.yaml")
	head, _, _ := strings.Cut(out["example"], "\nmappings:")
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, page := range []string{"../../README.md", "../../docs/mapping/guide.md", "../../docs/mapping/recipes.md"} {
		for i, m := range block.FindAllStringSubmatch(read(page), -1) {
			text := m[1]
			if strings.HasPrefix(text, "mappings:") {
				text = head + "\n" + text
			}
			out[page+" "+strconv.Itoa(i)] = text
		}
	}
	scripts, err := filepath.Glob("../bridge/testdata/script/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	file := regexp.MustCompile(`(?ms)^-- (\S+\.yaml) --\n(.*?)(?:^-- |\z)`)
	for _, script := range scripts {
		for rest := read(script); ; {
			m := file.FindStringSubmatchIndex(rest)
			if m == nil {
				break
			}
			text := strings.NewReplacer("$SCIM", "127.0.0.1:1", "$CONSOLE", "127.0.0.1:2").Replace(rest[m[4]:m[5]])
			out[filepath.Base(script)+" "+rest[m[2]:m[3]]] = text
			rest = rest[m[5]:]
		}
	}
	return out
}

// blocks returns the keys of each key of the schema, by its path; none for a key that is no block.
func blocks(t *testing.T) map[string][]string {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	var visit func(path string, o map[string]any)
	visit = func(path string, o map[string]any) {
		for _, key := range []string{"items", "additionalProperties"} {
			if below, ok := o[key].(map[string]any); ok {
				visit(path, below)
			}
		}
		if either, ok := o["anyOf"].([]any); ok {
			for _, one := range either {
				visit(path, one.(map[string]any))
			}
		}
		if out[path] == nil {
			out[path] = []string{}
		}
		properties, _ := o["properties"].(map[string]any)
		for key, below := range properties {
			out[path] = append(out[path], key)
			visit(strings.TrimPrefix(path+"."+key, "."), below.(map[string]any))
		}
	}
	visit("", parsed.(map[string]any))
	return out
}

// place returns where a key of the schema stands in trialFile.
func place(path string) []string {
	if path == "" {
		return nil
	}
	var out []string
	keys := strings.Split(path, ".")
	for i, key := range keys {
		out = append(out, strings.Replace(key, "*", "vt", 1))
		next := ""
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		switch {
		case next == "" || next == "0" || next == "*":
		case key == "identity_providers":
			out = append(out, "okta")
		case key == "backends":
			out = append(out, "vt")
		case slices.Contains([]string{"mappings", "clients", "grants", "tokens", "secrets", "keys", "notify"}, key):
			out = append(out, "0")
		}
	}
	return out
}

// changed returns trialFile with another value at a place.
func changed(t *testing.T, at []string, value string) string {
	t.Helper()
	var root, n yaml.Node
	if err := yaml.Unmarshal([]byte(trialFile), &root); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte("v: "+value), &n); err != nil {
		t.Fatal(err)
	}
	out, err := yaml.Marshal(with(valueOf(t, &root), at, n.Content[0].Content[1]))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// with returns a value with another one below it, in new blocks and lists where there are none.
func with(v any, at []string, value *yaml.Node) any {
	if len(at) == 0 {
		return value
	}
	if at[0] == "0" {
		list, _ := v.([]any)
		if len(list) == 0 {
			list = []any{nil}
		}
		list[0] = with(list[0], at[1:], value)
		return list
	}
	block, ok := v.(map[string]any)
	if !ok {
		block = map[string]any{}
	}
	block[at[0]] = with(block[at[0]], at[1:], value)
	return block
}

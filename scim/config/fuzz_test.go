package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// odd are configurations that were, or might be, trouble.
var odd = []string{
	"identity_providers: {okta: {tokens: !of-mine S3CR3T}}\n",
	"# nothing\n", "---\n", "null\n", "[]\n", "5\n", "a: 1\n---\nb: 2\n", "server: {listen: [1]}\n", "\x00\n", "server:\n  listen: \"\xff\"\n", "server: {listen: 127.0.0.1:0",
	"identity_providers: {okta: {tokens: [*S3CR3T-token-of-the-fuzz]}}\n", "identity_providers: {okta: {tokens: [!S3CR3T-token-of-the-fuzz x]}}\n",
	"identity_providers: {okta: {tokens: [{value: S3CR3T-token-of-the-fuzz, expires: S3CR3T}]}}\n", "identity_providers: {okta: {tokens: [{value: x, expires: 0001-01-01}]}}\n",
	"identity_providers: {okta: {tokens: \"S3`CR3T\"}}\n", "identity_providers: {okta: {tokens: !!int S3CR3T-x}}\n", "identity_providers: {okta: {tokens: !!binary S3CR3T-x}}\n",
	"identity_providers: {okta: {tokens: [short]}}\nbackends: {vt: {kind: virustotal, api_key: [S3CR3T-key], url: \"https://S3CR3T:S3CR3T@x/\"}}\n",
	"identity_providers: {okta: {tokens: [file:/dev/zero]}}\n", "identity_providers: {? [a] : {}}\n", "identity_providers: {<<: 5}\n", "identity_providers: &a {okta: *a}\n", "backends: {vt: , rc: {}}\n",
	"backends: {vt: {kind: virustotal, rate_limit: 1/x, batch: {size: x, wait: -1s}, retry: {initial: 1, max: ä}}}\n",
	"mappings: [{group: [a, [b]], match: '(', where: '((', backend: x}, null, {grants: [{}]}]\n", "server: {listen: a, listen: b}\n",
}

var problemForm = regexp.MustCompile(`(?s)^(line [1-9]\d*: .+|… and \d+ more after line \d+)$`)

// FuzzConfig reads any bytes as a configuration and as a proposed one: they are accepted, or every
// problem has a line and no message holds a secret.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, s := range odd {
		f.Add([]byte(s))
	}
	running, _, err := Parse("example", example, kinds())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, warnings, err := Parse("file", data, kinds())
		var wrong *Error
		if (err == nil) != (c != nil) || err != nil && !errors.As(err, &wrong) {
			t.Fatalf("%v, %v", c, err)
		}
		said := warnings
		if wrong != nil {
			said = slices.Concat(said, wrong.Problems)
			if len(wrong.Problems) == 0 {
				t.Error("wrong, and no problem")
			}
		}
		for _, s := range said {
			if !problemForm.MatchString(s) {
				t.Errorf("without a line: %q", s)
			}
			for _, secret := range secretsOf(data) {
				if strings.Contains(s, secret) {
					t.Errorf("%q shows %q", s, secret)
				}
			}
		}
		if c != nil {
			if _, err := c.Rules(); err != nil {
				t.Errorf("taken, and its rules cannot be compiled: %v", err)
			}
		}
		if _, err := running.Propose("proposed", data); err != nil && !errors.As(err, &wrong) {
			t.Errorf("proposed: %v", err)
		}
	})
}

// secretsOf lists the literal secrets of a configuration: values under secret keys that occur
// nowhere else. Without valid YAML it lists the marked ones.
func secretsOf(data []byte) (out []string) {
	const marked = "S3CR3T"
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil {
		return []string{marked}
	}
	var walk func(n *yaml.Node, secret bool)
	walk = func(n *yaml.Node, secret bool) {
		for i, c := range n.Content {
			under := secret
			if n.Kind == yaml.MappingNode {
				if i%2 == 0 {
					continue
				}
				under = slices.Contains([]string{"tokens", "value", "api_key", "client_secret", "token", "dsn"}, n.Content[i-1].Value)
			}
			walk(c, under)
		}
		v := n.Value
		if secret && len(v) >= len(marked) && !strings.HasPrefix(v, "env:") && !strings.HasPrefix(v, "file:") && strings.Count(string(data), v) == 1 &&
			!strings.Contains(strings.Join([]string{"identity_providers backends tokens client_secret api_key", "is empty is missing"}, " "), v) {
			out = append(out, v)
		}
	}
	walk(&root, false)
	return out
}

// FuzzScalars: a duration is not negative and writes itself as it was read, and a day is a moment.
func FuzzScalars(f *testing.F) {
	for _, s := range []string{"0", "30s", "1h30m", "-1s", "1", "9999999999h", "1ns", ".5s", "2027-01-31", "2027-01-31T10:00:00+02:00", "0001-01-01", "9999-12-31", "[]", "{}", "~", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d Duration
		switch ok := d.parse(s); {
		case ok && d < 0:
			t.Errorf("%q is %v", s, time.Duration(d))
		case ok:
			again := Duration(-1)
			if !again.parse(time.Duration(d).String()) || again != d {
				t.Errorf("%q is %v, which is read as %v", s, time.Duration(d), time.Duration(again))
			}
		}
		var when Day
		if when.parse(s) && when.IsZero() {
			t.Errorf("%q is never", s)
		}
	})
}

// A file without an end, such as a device, is read only up to the limit.
func TestEndlessFiles(t *testing.T) {
	const endless = "/dev/zero"
	if _, _, err := Load(endless, kinds()); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("identity_providers: {okta: {tokens: [file:"+endless+"]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(path, kinds()); err == nil || !strings.Contains(err.Error(), "larger than 64 KiB") {
		t.Error(err)
	}
}

// Only a part of thousands of mistakes, or of equal rules, is reported.
func TestManyProblems(t *testing.T) {
	_, warnings, err := Parse("file", []byte("identity_providers: {okta: {}}\nbackends: {vt: {kind: virustotal, url: simulated, mode: sync}}\nmappings:\n"+
		strings.Repeat("  - {group: a, backend: vt, target: t, roles: [USER_ROLE_X]}\n", 3000)), kinds())
	if err != nil || len(warnings) > 3*3000 {
		t.Errorf("%d warnings, %v", len(warnings), err)
	}
	var wrong *Error
	if _, _, err = Parse("file", []byte(strings.Repeat("a: 1\n", 1)+"mappings:\n"+strings.Repeat("  - {nonsense: 1}\n", 10_000)), kinds()); !errors.As(err, &wrong) || len(wrong.Problems) != maxProblems+1 {
		t.Errorf("%v", err)
	}
}

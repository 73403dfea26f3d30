package config

import (
	"strings"
	"testing"
)

// TestEffective prints a configuration with defaults and presets, and without secrets. What it prints
// is a configuration that means the same.
func TestEffective(t *testing.T) {
	t.Setenv("TEST_TOKEN", "hush-hush-of-the-tests")
	const file = `
server: {public_url: https://scim.example.com/scim/v2}
store: {path: /data/s.db}
identity_providers:
  okta: {tokens: [env:TEST_TOKEN, {value: env:TEST_TOKEN, expires: 2099-01-31}]}
  entra:
    jwt: {preset: entra, tenant: 12345678-90ab-cdef-1234-567890abcdef}
    oauth: {clients: [{id: "5", federation: {tenant: 12345678-90ab-cdef-1234-567890abcdef, app_id: 12345678-90ab-cdef-1234-567890abcdef, subject: s}}]}
backends:
  vt: {kind: virustotal, url: simulated, mode: sync, api_key: hush-hush, batch: {size: 5}, resync_every: 0}
  rc: {kind: riskcloud, url: simulated, mode: observe, proxy: "http://u:hush-hush@127.0.0.1:1"}
mappings:
  - {group: [A, B], pin: true, backend: vt, target: "1", roles: [USER_ROLE_GROUP_ADMIN]}
  - {match: 'x(?P<r>a|b)', grants: [{backend: rc, target: '${r}'}]}
`
	c, _, err := Parse("file", []byte(file), kinds())
	if err != nil {
		t.Fatal(err)
	}
	printed, err := c.Effective()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"listen: 127.0.0.1:8080", "key_file: /data/s.db.operator-key", "retention: 8760h", "- env:TEST_TOKEN", "- value: env:TEST_TOKEN\n", "rate_limit: 2000/s",
		"put_without_members: keep", "issuer: https://sts.windows.net/12345678-90ab-cdef-1234-567890abcdef/", "- RS256", "lifetime: 1h", `id: "5"`,
		"- api://12345678-90ab-cdef-1234-567890abcdef", "api_key: <secret>", "size: 5", "wait: 1s", "proxy: <secret>", `target: "1"`, "pin: true", "max_targets: 200",
		"resync_every: 0s",
	} {
		if !strings.Contains(string(printed), want) {
			t.Errorf("without %q", want)
		}
	}
	if strings.Contains(string(printed), "hush") {
		t.Error("it shows a secret")
	}
	again, _, err := Parse("printed", []byte(strings.ReplaceAll(string(printed), "proxy: <secret>", "proxy: http://127.0.0.1:1")), kinds())
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	if second, err := again.Effective(); err != nil || string(second) != strings.ReplaceAll(string(printed), "http://127.0.0.1:1", "<secret>") {
		t.Errorf("%v\n%s\nand again\n%s", err, printed, second)
	}
	if c.Mappings[1].Grants[0].MaxTargets != nil || c.IdentityProviders["entra"].JWT.Issuer != "" {
		t.Error("printing changes the configuration")
	}
}

// TestEffectiveExamples prints what the repository shows, which stays valid by the schema.
func TestEffectiveExamples(t *testing.T) {
	valid := validator(t)
	for name, file := range configurations(t) {
		c, _, err := Parse(name, []byte(file), kinds())
		if err != nil {
			continue
		}
		printed, err := c.Effective()
		if err != nil || valid(string(printed)) != nil {
			t.Errorf("%s: %v %v\n%s", name, err, valid(string(printed)), printed)
		}
	}
}

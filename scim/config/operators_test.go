package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config/fingerprint"
)

func TestOperatorKeys(t *testing.T) {
	hash := func(digit string) string { return `"sha256:` + strings.Repeat(digit, 64) + `"` }
	t.Setenv("OPERATOR_KEY", "a-key-of-the-tests-0123456789")
	for name, c := range map[string]struct{ keys, want string }{
		"good ones":                  {"[{name: ci, role: viewer, key: " + hash("1") + ", expires: 2099-06-30}, {name: ada, role: admin, key: env:OPERATOR_KEY}]", ""},
		"a name of the key file":     {"[{name: local, role: viewer, key: " + hash("1") + "}]", `operators.keys.0.name: "local" is the operator with the key file`},
		"a name twice":               {"[{name: ci, role: viewer, key: " + hash("1") + "}, {name: ci, role: admin, key: " + hash("2") + "}]", `operators.keys.1.name: "ci" has a key already`},
		"a key twice":                {"[{name: ci, role: viewer, key: " + hash("1") + "}, {name: ada, role: admin, key: " + hash("1") + "}]", "operators.keys.1.key: is a token of the operator ci too"},
		"a token of a provider":      {"[{name: ci, role: viewer, key: " + hash("0") + "}]", "operators.keys.0.key: is a token of okta too"},
		"an unknown role":            {"[{name: ci, role: owner, key: " + hash("1") + "}]", `operators.keys.0.role: "owner" is not one of viewer, approver, admin`},
		"no key":                     {"[{name: ci, role: viewer}]", "operators.keys.0.key: is missing; `scimbridge token operator ci` makes one"},
		"a key that can be guessed":  {"[{name: ci, role: viewer, key: short}]", "operators.keys.0.key: a token has at least 16 characters"},
		"a key that is not there":    {"[{name: ci, role: viewer, key: env:NO_SUCH_KEY}]", "operators.keys.0.key: environment variable NO_SUCH_KEY is not set"},
		"an end that is no date":     {"[{name: ci, role: viewer, key: " + hash("1") + ", expires: soon}]", "is not a date"},
		"a key of the configuration": {"[{name: ci, role: viewer, key: " + hash("1") + ", groups: [a]}]", `unknown key "groups"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := "identity_providers: {okta: {tokens: [" + hash("0") + "]}}\nmappings: []\noperators: {keys: " + c.keys + "}\n"
			conf, _, err := Parse("file", []byte(text), kinds())
			var wrong *Error
			switch {
			case c.want == "" && err == nil:
				all, err := conf.Operators.List()
				if err != nil || len(all) != 2 || all[0].Role != auth.Viewer || all[0].Expires.Year() != 2099 || all[1].Role != auth.Admin || !all[1].Expires.IsZero() {
					t.Errorf("%v %v", all, err)
				}
			case !errors.As(err, &wrong) || !strings.Contains(strings.Join(wrong.Problems, "\n"), c.want):
				t.Errorf("%v; want %s", err, c.want)
			}
			if c.want == "" || strings.Contains(c.want, "unknown key") {
				return
			}
			conf, _, err = Parse("file", []byte("identity_providers: {okta: {tokens: ["+hash("0")+"]}}\nmappings: []\n"), kinds())
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := conf.ProposedOperators("file", []byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a reload: %v; want %s", err, c.want)
			}
		})
	}
}

// TestOperatorKeysAreHidden: a key in the file is a secret, and an expired key causes a warning.
func TestOperatorKeysAreHidden(t *testing.T) {
	text := "identity_providers: {okta: {tokens: [\"sha256:" + strings.Repeat("0", 64) + "\"]}}\nmappings: []\n" +
		"operators: {keys: [{name: ci, role: viewer, key: canary-key-of-the-tests, expires: " + time.Now().Add(-24*time.Hour).Format(time.DateOnly) + "}]}\n"
	conf, warnings, err := Parse("file", []byte(text), kinds())
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(warnings, "\n")
	if strings.Contains(said, "canary") || !strings.Contains(said, "operators.keys.0.key: is written in the file") || !strings.Contains(said, "expired on") {
		t.Errorf("%s", said)
	}
	printed, err := conf.Effective()
	if err != nil || strings.Contains(string(printed), "canary") || !strings.Contains(string(printed), "role: viewer") {
		t.Errorf("%v %s", err, printed)
	}
	one, err := fingerprint.Of([]byte(text))
	other, again := fingerprint.Of([]byte(strings.Replace(text, "canary-key", "another-key", 1)))
	if err != nil || again != nil || one["operators"] != other["operators"] {
		t.Errorf("the fingerprint of a literal key is in the audit trail: %v %v", err, again)
	}
}

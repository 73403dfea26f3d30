package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPutWithoutMembersKey holds what the key may say.
func TestPutWithoutMembersKey(t *testing.T) {
	for value, want := range map[string]string{
		"keep": "", "clear": "", `""`: "", "Clear": `line 2: identity_providers.okta.put_without_members: "Clear" is not one of keep, clear`,
		"true": "is not one of keep, clear", "[keep]": "line 2: identity_providers.okta.put_without_members: is a list, should be a text",
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		text := "identity_providers:\n  okta: {tokens: ['sha256:0cfe1b99945bd71f47e48b7f7b2eca23a47ad0531b453bdd990d1d97337f31ec'], put_without_members: " + value + "}\nmappings: []\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Load(path, kinds())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

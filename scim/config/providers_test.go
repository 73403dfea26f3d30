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
		text := "identity_providers:\n  okta: {tokens: ['sha256:bf178c068e486db30b287d3b99a875cdeff27f1b74661e096c85aed161f9fa3d'], put_without_members: " + value + "}\nmappings: []\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Load(path, kinds())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

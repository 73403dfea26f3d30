package bridge_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Rejected credentials and loaded configurations are in the trail, and no secret is.
func TestConfigurationEvents(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	for range 3 {
		if status, _ := s.send("a-token-of-no-client", "GET", "/Users", ""); status != 401 {
			t.Fatal(status)
		}
	}
	s.stop() // the gathered events are written
	file := []string{"--store", filepath.Join(filepath.Dir(s.path), "scimbridge.db")}
	trail := strings.Join(s.trail("type actor detail", file...), "\n")
	if !strings.Contains(trail, "config.load bridge start, version") || !strings.Contains(trail, "auth.rejected unknown an unknown token, from 127.0.0.1") {
		t.Errorf("%s", trail)
	}
	parts := s.trail("type before after", file...)[0]
	for _, part := range []string{`"server"`, `"mappings"`, `"backends.vt"`, `"identity_providers.okta"`} {
		if !strings.Contains(parts, part) {
			t.Errorf("%s is not in %s", part, parts)
		}
	}
	s.start() // the same file again
	s.edit("team-", "squad-")
	if code, out := s.command("reload"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	s.edit(oktaToken, oktaToken+"-another") // a literal secret: not even its fingerprint is in the trail
	s.edit("rate_limit: 1000/s", "rate_limit: 999/s")
	s.stop()
	s.start()
	loads := slices.DeleteFunc(s.trail("type actor detail before after"), func(l string) bool { return !strings.HasPrefix(l, "config.load") })
	changed := func(i int, want ...string) {
		t.Helper()
		for _, part := range []string{"mappings", "backends.vt", "backends.rc", "identity_providers.okta", "server"} {
			if n := strings.Count(loads[i], `"`+part+`"`); n != 2*strings.Count(strings.Join(want, " ")+" ", part+" ") {
				t.Errorf("load %d: %s occurs %d times: %s", i, part, n, loads[i])
			}
		}
	}
	if len(loads) != 4 || !strings.HasPrefix(loads[2], "config.load operator reload") {
		t.Fatalf("%s", strings.Join(loads, "\n"))
	}
	changed(1)
	changed(2, "mappings")
	changed(3, "backends.vt", "backends.rc")
}

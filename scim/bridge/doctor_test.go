package bridge_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	rcsimulator "github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
	"github.com/scimbridge/scimbridge/scim/doctor"
)

func TestDoctor(t *testing.T) {
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, profile, "batch: {size: 25, wait: 20ms}")
			s.person("ada@example.com")
			code, out := s.command("doctor")
			if code != 0 || !strings.Contains(out, "ok       vt: group acme: 2 of the first 2 users have an e-mail address") || !strings.Contains(out, "ok       rc: the credential sees 2 roles and 1 users") ||
				!strings.Contains(out, "GiB are free") || !strings.Contains(out, "no server answers") || !strings.Contains(out, "own_account") {
				t.Errorf("%d %s", code, out)
			}
			for _, secret := range []string{"canary-key-of-the-tests", "ada@"} {
				if strings.Contains(out, secret) {
					t.Errorf("the output shows %q", secret)
				}
			}
			if n := len(s.vt.Calls()) + len(s.rc.Calls()); n != 0 {
				t.Errorf("%d calls change something", n)
			}
			code, out = s.command("doctor", "--json")
			var all []doctor.Diagnosis
			if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 || len(all) < 5 {
				t.Fatalf("%d %v %s", code, err, out)
			}
		})
	}
}

// Every mistake is found with its remedy.
func TestDoctorProblems(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.edit("target: acme", "target: nowhere")
	s.edit("match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'", "group: Risk, backend: rc, target: nothing")
	code, out := s.command("doctor")
	for _, want := range []string{"problem  vt: group nowhere", "(line 12: mappings.0; line 13: mappings.1; line 14: mappings.2)\n", "it is the group's id",
		"problem  rc: there is no role nothing (line 15: mappings.3)\n", "it is the role's id", "problem(s)"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%d, without %q: %s", code, want, out)
		}
	}
}

// A secret that cannot be read is a finding, and the rest is still examined.
func TestDoctorWithoutSecret(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.person("ada@example.com")
	s.edit("mappings:", "  later: {kind: virustotal, url: http://127.0.0.1:9, api_key: env:SCIMBRIDGE_TEST_NO_KEY, mode: sync}\nmappings:")
	s.edit("okta: {tokens: [", "okta: {tokens: [env:SCIMBRIDGE_TEST_NO_TOKEN, ")
	code, out := s.command("doctor")
	for _, want := range []string{
		"problem  configuration: line 6: identity_providers.okta.tokens.0: environment variable SCIMBRIDGE_TEST_NO_TOKEN is not set\n         → give it to `scimbridge serve`",
		"later.api_key: environment variable SCIMBRIDGE_TEST_NO_KEY is not set\n", "note     later: not tried: api_key: environment variable SCIMBRIDGE_TEST_NO_KEY is not set\n",
		"ok       vt: group acme: 2 of the first 2 users", "ok       rc: the credential sees 2 roles", "GiB are free", "2 problem(s)",
	} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%d, without %q: %s", code, want, out)
		}
	}
	s.edit("mode: sync, ", "mode: sink, ") // another mistake: every problem is reported
	if code, out = s.command("doctor"); code != 1 || !strings.Contains(out, "is not one of observe, add_only, sync") || !strings.Contains(out, "SCIMBRIDGE_TEST_NO_TOKEN is not set") {
		t.Errorf("%d %s", code, out)
	}
}

// A canary role shows how the tenant accepts updates, and stays as it was.
func TestDoctorCanary(t *testing.T) {
	rc := rcsimulator.New(rcsimulator.Options{UpdateMethod: "PATCH"})
	rc.AddRole("canary", "Canary")
	rc.Grant("canary", rc.AddPerson("ada@example.com"))
	srv := httptest.NewServer(rc)
	defer srv.Close()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	raw, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.edit(regexp.MustCompile(`kind: riskcloud, url: [^,]*`).FindString(string(raw)), "kind: riskcloud, url: "+srv.URL)
	code, out := s.command("doctor", "--canary-role", "canary")
	if code != 1 || !strings.Contains(out, `write into the configuration: update_role: {method: PATCH, path: "/api/v1/roles/{role}"}`) {
		t.Errorf("%d %s", code, out)
	}
}

// Only the vendor knows the name of a role. A rule that grants an administrator's role should be pinned.
func TestDoctorPin(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.rc.AddRole("r7", "GRC Administrator")
	s.person("ada@example.com")
	const rule = "{match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'}"
	for now, want := range map[string]bool{
		"{group: Risk, backend: rc, target: r7}": true, "{group: Risk, pin: true, backend: rc, target: r7}": false,
		"{external_id: x, backend: rc, target: r7}": false, "{group: Risk, backend: rc, target: approver}": false,
	} {
		s.edit(rule, now)
		if _, out := s.command("doctor"); strings.Contains(out, "role r7 looks like an administrator's, and any group with a certain name grants it (line 15: mappings.3)") != want ||
			strings.Contains(out, "role approver looks") {
			t.Errorf("%s: %s", now, out)
		}
		s.edit(now, rule)
	}
}

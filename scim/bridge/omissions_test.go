package bridge_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// startLogging starts the bridge with a log that the test reads once the bridge has stopped.
func (s *setup) startLogging() *bytes.Buffer {
	s.t.Helper()
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		s.t.Fatal(err)
	}
	log := &bytes.Buffer{}
	s.bridge = &bridge.Bridge{Config: c, Log: slog.New(slog.NewJSONHandler(log, nil)), Path: s.path}
	if err := s.bridge.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.scim, s.console, s.running = s.bridge.URL(), s.bridge.ConsoleURL(), true
	return log
}

// TestPutWithoutMembersKept sends a PUT without members under the default, and then under clear.
func TestPutWithoutMembersKept(t *testing.T) {
	const key = "identity_providers.entra.put_without_members"
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.person("ada@example.com")
	s.fixConsole()
	log := s.startLogging()
	ada := s.user("ada@example.com")
	group := s.group("VT Admins", ada)
	with, without := `{"displayName":"VT Admins","members":[{"value":"`+ada+`"}]}`, `{"displayName":"VT Admins"}`
	has, none := map[string]string{"ada@example.com": "acme GROUP_ADMIN"}, map[string]string{"ada@example.com": ""}
	silent := func(when string) {
		t.Helper()
		for _, command := range []string{"status", "doctor"} {
			if _, out := s.command(command); strings.Contains(out, key) {
				t.Errorf("%s: %s says %s", when, command, out)
			}
		}
	}
	s.must(200, "PUT", "/Groups/"+group, without)
	silent("before it sent members")
	s.must(200, "PUT", "/Groups/"+group, with)
	s.must(200, "PUT", "/Groups/"+group, without)
	s.must(200, "PUT", "/Groups/"+group, without)
	s.eventually("kept", has)
	if n := s.metric(`scimbridge_put_without_members_total{idp="entra"}`); n != "2" {
		t.Errorf("%s counted", n)
	}
	if n := s.metric(`scimbridge_put_without_members_total{idp="okta"}`); n != "0" {
		t.Errorf("%s counted of another", n)
	}
	if _, out := s.command("status"); !strings.Contains(out, "entra: 2 PUT(s) left out the members of a group that has some") || !strings.Contains(out, "set "+key+": clear") {
		t.Errorf("status: %s", out)
	}
	s.stop()
	if text := log.String(); strings.Count(text, key) != 1 || !strings.Contains(text, `"level":"WARN"`) || strings.Contains(text, "VT Admins") {
		t.Errorf("logged: %s", text)
	}

	s.start() // the count survives a restart
	var status console.Status
	if _, out := s.command("status", "--json"); json.Unmarshal([]byte(out), &status) != nil || status.IdentityProviders[0].Omitted == nil || status.IdentityProviders[0].Omitted.Key != key {
		t.Errorf("status --json: %s", out)
	}
	if _, out := s.command("doctor"); !strings.Contains(out, "identity provider entra: 1 PUT(s) left out the members") || !strings.Contains(out, "set "+key+": clear") {
		t.Errorf("doctor: %s", out)
	}
	s.edit("entra: {tokens", "entra: {put_without_members: clear, tokens")
	if _, out := s.command("reload"); !strings.Contains(out, "identity_providers is changed in the file, too, and needs a restart") {
		t.Errorf("reload: %s", out)
	}
	s.must(200, "PUT", "/Groups/"+group, without)
	s.eventually("before the restart", has)
	s.stop()
	s.start()
	silent("under clear")
	s.must(200, "PUT", "/Groups/"+group, without)
	s.eventually("cleared", none)
}

// TestPutWithoutMembersHeld empties a group under clear, beyond the limit of the brake.
func TestPutWithoutMembersHeld(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.edit(limits, "max_removals: {count: 1, percent: 1, window: 1h}")
	s.edit("entra: {tokens", "entra: {put_without_members: clear, tokens")
	s.fixConsole()
	s.start()
	var people []string
	granted := map[string]string{}
	for _, email := range []string{"ada@example.com", "bob@example.com", "eve@example.com"} {
		s.person(email)
		people, granted[email] = append(people, s.user(email)), "acme GROUP_ADMIN"
	}
	group := s.group("VT Admins", people...)
	s.eventually("granted", granted)
	s.must(200, "PUT", "/Groups/"+group, `{"displayName":"VT Admins","members":null}`)
	s.eventually("held", granted)
	if n := s.metric(`scimbridge_held_changes{backend="vt"}`); n != "3" {
		t.Errorf("%s held", n)
	}
}

// TestUpperCaseMember grants a role to a user whose id comes in upper case, and revokes it by an id in
// braces.
func TestUpperCaseMember(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.person("ada@example.com")
	s.start()
	ada := s.user("ada@example.com")
	group := s.group("VT Admins", strings.ToUpper(ada))
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	s.patch("/Groups/"+group, `{"op":"remove","path":"members","value":[{"value":"{`+strings.ToUpper(ada)+`}"}]}`)
	s.eventually("revoked", map[string]string{"ada@example.com": ""})
}

package bridge_test

import (
	"fmt"
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
)

// A change made while rules are loaded that the worker does not apply yet counts under the rules it
// does apply, even if the new rules are taken back before.
func TestRulesTakenBack(t *testing.T) {
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}")
	s.start()
	s.person("ada@example.com")
	ada := s.user("ada@example.com")
	group := s.group("VT Admins", ada)
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	none, err := mapping.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	rules := s.bridge.SwapRules(none)
	s.patch("/Groups/"+group, `{"op":"remove","path":"members"}`)
	s.bridge.SwapRules(rules)
	s.eventually("left", map[string]string{"ada@example.com": ""})
}

// An attribute that changes while rules start or stop to depend on it counts, in either order.
func TestConditionalReload(t *testing.T) {
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 1ms}")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	ada := s.user("ada@example.com")
	s.group("VT Admins", ada)
	title := func(title string) {
		s.patch("/Users/"+ada, fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, title))
	}
	reload := func(old, now string) func() {
		s.edit(old, now)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if code, out := s.command("reload", "--allow-revocations", "1"); code != 0 {
				t.Errorf("%d %s", code, out)
			}
		}()
		return func() { <-ended }
	}
	const plain, conditional = "{group: VT Admins, backend", "{group: VT Admins, where: 'title eq \"Boss\"', backend"
	has := map[string]string{"Boss": "acme GROUP_ADMIN", "Clerk": ""}
	for i := range 12 {
		before, after := "Boss", "Clerk"
		if i%2 > 0 {
			before, after = after, before
		}
		title(before)
		s.eventually("unconditional", map[string]string{"ada@example.com": has["Boss"]})
		wait := reload(plain, conditional)
		for range 3 * i { // the last one comes before the rules are in force, with them or after them
			title(before)
			title(after)
		}
		title(after)
		wait()
		s.eventually("conditional, "+after, map[string]string{"ada@example.com": has[after]})
		wait = reload(conditional, plain)
		title(before)
		wait()
	}
}

package bridge

import (
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
)

// What is changed while other rules are loaded that the worker does not go by yet counts under those that it goes by, also when the
// others are taken back before it ever does.
func TestAChangeUnderRulesThatAreTakenBack(t *testing.T) {
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
	rules := s.bridge.rules.Swap(none)
	s.patch("/Groups/"+group, `{"op":"remove","path":"members"}`)
	s.bridge.rules.Store(rules)
	s.eventually("left", map[string]string{"ada@example.com": ""})
}

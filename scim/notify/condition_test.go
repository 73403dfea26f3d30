package notify

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

func TestConditions(t *testing.T) {
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	vt := func(b BackendFacts) Facts {
		b.Name = "vt"
		return Facts{Backends: []BackendFacts{b}}
	}
	for name, c := range map[string]struct {
		facts Facts
		want  []string
	}{
		"all is well":              {vt(BackendFacts{State: "ok"}), nil},
		"two holds":                {vt(BackendFacts{State: "ok", Holds: []HoldFacts{{"h1", "max_removals", 3}, {"h2", "protect", 1}}}), []string{"hold/vt//h1/max_removals", "hold/vt//h2/protect"}},
		"blocked for two reasons":  {vt(BackendFacts{Blocked: map[string]int{"no_account": 2, "rejected": 1, "locked": 0}}), []string{"blocked/vt///no_account", "blocked/vt///rejected"}},
		"unauthorized":             {vt(BackendFacts{State: "unauthorized"}), []string{"unauthorized/vt///"}},
		"unreachable":              {vt(BackendFacts{State: "transient"}), []string{"unreachable/vt///"}},
		"throttled":                {vt(BackendFacts{State: "throttled"}), nil},
		"a revocation of a moment": {vt(BackendFacts{OldestRemoval: in(-4 * time.Minute)}), nil},
		"a late revocation":        {vt(BackendFacts{OldestRemoval: in(-5 * time.Minute)}), []string{"removal_late/vt///"}},
		"ends": {Facts{Expiring: []Credential{{Token, "okta", "0cfe", in(13 * 24 * time.Hour)}, {Token, "okta", "abcd", in(15 * 24 * time.Hour)},
			{OperatorKey, "", "ci", in(-time.Hour)}, {Certificate, "", "server.tls", time.Time{}}}}, []string{"expiring//okta/0cfe/token", "expiring///ci/operator_key"}},
		"a broken chain":   {Facts{Broken: true}, []string{"audit_broken////"}},
		"some rejected":    {Facts{Rejected: 99}, nil},
		"too many refused": {Facts{Rejected: 100}, []string{"rejected_credentials////"}},
	} {
		got := slices.Sorted(maps.Keys(Conditions(c.facts, now)))
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestManyHolds: a thousand holds are not a thousand messages.
func TestManyHolds(t *testing.T) {
	var f BackendFacts
	for i := range 1000 {
		f.Holds = append(f.Holds, HoldFacts{fmt.Sprintf("h%04d", i), "protect", 1})
	}
	f.Name = "vt"
	all := Conditions(Facts{Backends: []BackendFacts{f}}, time.Now())
	if rest := all["hold/vt//more/"]; len(all) != maxHolds+1 || rest.Count != 1000-maxHolds {
		t.Errorf("%d conditions, the rest is %+v", len(all), rest)
	}
}

// TestTexts: every type says what to type, and has a text of its own.
func TestTexts(t *testing.T) {
	for _, typ := range Types() {
		c := Condition{Type: Type(typ), Backend: "vt", Count: 2}
		if c.Text() == typ || c.Command() == "" {
			t.Errorf("%s: %q, %q", typ, c.Text(), c.Command())
		}
	}
}

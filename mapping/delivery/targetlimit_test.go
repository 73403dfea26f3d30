package delivery_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// junk is n groups whose names are targets that the vendor does not have.
func (m *manyTargets) junk(n int) (groups []string) {
	for i := range n {
		groups = append(groups, fmt.Sprintf("junk%03d", i))
	}
	m.vendor.missing = func(target string) bool { return strings.HasPrefix(target, "junk") }
	m.groups(groups...)
	for i := range 3 {
		m.member(i, true, groups...)
	}
	return groups
}

// reasons counts the targets on which marks are blocked, by reason.
func (m *manyTargets) reasons() map[string]int {
	targets := map[string]map[string]bool{}
	if err := m.store.View(context.Background(), func(tx store.Tx) error {
		clear(targets)
		for mark, err := range tx.Work("vt").Marks("") {
			if err != nil {
				return err
			}
			if mark.State == store.Blocked {
				if targets[mark.Reason] == nil {
					targets[mark.Reason] = map[string]bool{}
				}
				targets[mark.Reason][mark.Target] = true
			}
		}
		return nil
	}); err != nil {
		m.t.Fatal(err)
	}
	out := map[string]int{}
	for reason, names := range targets {
		out[reason] = len(names)
	}
	return out
}

// asked counts the junk targets that were called, and the calls.
func (m *manyTargets) asked() (targets, calls int) {
	m.vendor.mu.Lock()
	defer m.vendor.mu.Unlock()
	for target, n := range m.vendor.calls {
		if strings.HasPrefix(target, "junk") {
			targets, calls = targets+1, calls+n
		}
	}
	return targets, calls
}

func TestMissingTargets(t *testing.T) {
	sinces := []time.Duration{0, time.Second, 30 * time.Second, 5 * time.Minute}
	if os.Getenv("SCIMBRIDGE_LONG") != "" {
		sinces = append(sinces, time.Hour, 2*time.Hour-time.Second)
	}
	for _, since := range sinces {
		t.Run(fmt.Sprintf("changes pass 450 junk groups of %s", since), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManyTargets(t, "USER_ROLE_SCAN", "t0", "t1", "t2")
				m.settled()
				m.junk(450)
				time.Sleep(since)
				m.member(1, false, "t1")
				m.within(30*time.Second, "t1", "a1")
				m.deactivate(2, "t2")
				m.within(10*time.Second, "t2", "a2")
			})
		})
	}
	t.Run("a rule creates 200 targets at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newManyTargets(t, "USER_ROLE_SCAN", "t0", "t1", "t2")
			m.settled()
			junk := m.junk(450)
			time.Sleep(8 * time.Minute)
			if targets, _ := m.asked(); targets != 197 {
				t.Errorf("%d junk targets were called, want 197: three of 200 are in use", targets)
			}
			if got, want := m.reasons(), map[string]int{"no_target": 197, "too_many_targets": 253}; !maps.Equal(got, want) {
				t.Errorf("blocked targets %v, want %v", got, want)
			}
			for _, g := range junk[:250] { // the groups are deleted, and others have their places
				m.member(0, false, g)
				m.member(1, false, g)
				m.member(2, false, g)
				m.update(func(tx store.Tx) error { return tx.Directory("idp").DeleteGroup(g) })
			}
			time.Sleep(12 * time.Minute)
			if got, want := m.reasons(), map[string]int{"no_target": 197, "too_many_targets": 3}; !maps.Equal(got, want) {
				t.Errorf("blocked targets after 250 groups were deleted %v, want %v", got, want)
			}
		})
	})
	t.Run("missing targets are retried on a slow clock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newManyTargets(t, "USER_ROLE_SCAN", "t0")
			m.settled()
			m.junk(50)
			began := time.Now()
			time.Sleep(2 * time.Hour)
			_, before := m.asked()
			for last := before; time.Since(began) < 4*time.Hour; {
				time.Sleep(time.Minute)
				_, now := m.asked()
				if now-last > 7 {
					t.Fatalf("%d calls in a minute for targets that do not exist; a tenth of 60 is their share", now-last)
				}
				last = now
			}
			time.Sleep(8 * time.Hour)
			if _, after := m.asked(); after-before > 50*11 {
				t.Errorf("%d calls in ten hours for 50 targets that do not exist, at most one an hour is expected", after-before)
			}
			m.vendor.mu.Lock()
			m.vendor.missing = func(string) bool { return false }
			m.vendor.mu.Unlock()
			time.Sleep(2 * time.Hour)
			if got := m.reasons(); len(got) > 0 {
				t.Errorf("still blocked after the vendor has the targets: %v", got)
			}
		})
	})
	t.Run("a plan leaves out targets beyond the limit", func(t *testing.T) {
		w := newWorld(t, mapping.Rule{Match: `Team (?P<id>.*)`, Backend: "vt", Target: "${id}", Roles: []string{"R"}, MaxTargets: 2, Line: 7})
		w.user("okta", "u1", "u1@example.com", true)
		w.vendor.people["u1@example.com"] = "a1"
		for _, g := range []string{"Team a", "Team b", "Team c", "Team d"} {
			w.group("okta", g)
			w.join("okta", "u1", g)
		}
		plan, err := w.desk.Preview(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.LookUps) != 2 || len(plan.Rules) != 1 || !strings.Contains(plan.Rules[0], "line 7") || !strings.Contains(plan.Rules[0], "too_many_targets") {
			t.Errorf("look-ups %v, rules %q", plan.LookUps, plan.Rules)
		}
		w.pass(time.Minute)
		w.expect("a/a1=R b/a1=R")
		w.expectCounts("pending 0, blocked 2, held 0")
		if plan, err = w.desk.Preview(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		named := []string{}
		for _, g := range plan.Users {
			named = append(named, fmt.Sprint(g.Person, " ", g.Target, " ", g.State, " ", g.Reason))
		}
		want := "u1@example.com c blocked too_many_targets, u1@example.com d blocked too_many_targets"
		if got := strings.Join(named, ", "); got != want || plan.Something() {
			t.Errorf("%s; want %s", got, want)
		}
		w.remap(mapping.Rule{Match: `Team (?P<id>.*)`, Backend: "vt", Target: "${id}", Roles: []string{"R"}, MaxTargets: 4})
		w.restart()
		w.pass(time.Minute)
		w.expect("a/a1=R b/a1=R c/a1=R d/a1=R")
	})
}

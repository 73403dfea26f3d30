package delivery_test

import (
	"fmt"
	"testing"
	"time"
)

// TestAReloadBeforeTheFirstCallOfAVisit: the rules are taken away while the rate limit makes the worker wait, and nothing is sent under them.
func TestAReloadBeforeTheFirstCallOfAVisit(t *testing.T) {
	w := newWorld(t, admins)
	r := &hooked{vendor: w.vendor}
	w.config = func(d configured) { d.Backend = r }
	w.restart()
	team(w, 3, "Admins")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.clock = w.clock.Add(2 * time.Second)
	r.ready = func() {
		w.remap()
		w.worker.RulesChanged()
	}
	w.pass(time.Minute)
	w.expectCalls()
}

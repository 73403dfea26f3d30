package backend_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// TestSpend leaves nothing that a limiter would let through at once, and what comes after at the same rate as before.
func TestSpend(t *testing.T) {
	l := backend.Rate{N: 100, Per: time.Hour}.Limiter()
	if !l.Allow() {
		t.Fatal("a fresh limiter lets nothing through")
	}
	backend.Spend(l)
	if l.Allow() {
		t.Error("a call is let through at once")
	}
	if !l.AllowN(time.Now().Add(time.Minute), 1) {
		t.Error("none is a minute later")
	}
	unlimited := backend.Rate{}.Limiter()
	backend.Spend(unlimited)
	if !unlimited.Allow() {
		t.Error("no limit became one")
	}
}

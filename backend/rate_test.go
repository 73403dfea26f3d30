package backend_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// TestSpend checks that no call goes through at once afterwards, and later ones at the same rate as before.
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
		t.Error("no call is let through a minute later")
	}
	unlimited := backend.Rate{}.Limiter()
	backend.Spend(unlimited)
	if !unlimited.Allow() {
		t.Error("no limit became one")
	}
}

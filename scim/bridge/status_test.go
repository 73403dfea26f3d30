package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/console"
)

// Every time on the screen is UTC, wherever the machine is.
func TestLastUseIsInUTC(t *testing.T) {
	east := time.FixedZone("east", 5*60*60)
	used := []console.TokenStatus{{Token: "0bcfb74f", LastUse: time.Date(2026, 11, 26, 1, 30, 0, 0, east)}}
	if words := tokens(used, time.Now()); !strings.HasSuffix(words, "used 2026-11-25T20:30:00Z") {
		t.Error(words)
	}
}

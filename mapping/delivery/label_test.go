package delivery_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/canary"
)

// An account that a vendor calls by its address shows in no log.
func TestAnAddressThatIsAnAccountIsNotLogged(t *testing.T) {
	w, drift := drifting(t, admins)
	var log bytes.Buffer
	drifts := w.config
	w.config = func(d configured) {
		drifts(d)
		d.Log = slog.New(slog.NewJSONHandler(&log, nil))
	}
	w.restart()
	w.vendor.people["guest@example.com"] = "guest@example.com"
	w.vendor.holds["acme/guest@example.com"] = map[string]bool{"ADMIN": true}
	for range 3 {
		w.resync()
		w.pass(time.Hour)
	}
	if drift["foreign"] != 1 || !strings.Contains(log.String(), `"account":"sha256:`) {
		t.Errorf("%v %s", drift, log.String())
	}
	canary.Clean(t, "the log", log.String())
}

package notify

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestToLog: the log has the begin of a condition at WARN with ids, counts and what to type, and its end at INFO.
func TestToLog(t *testing.T) {
	var out bytes.Buffer
	ch := ToLog(slog.New(slog.NewTextHandler(&out, nil)))
	c := Condition{Type: Hold, Backend: "vt", ID: "h1", Reason: "max_removals", Count: 3}
	for _, state := range []string{Begun, Ended} {
		if err := ch.Send(context.Background(), about(c, "msg_1_"+state, state, time.Now(), time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(out.String(), "\n")
	for _, want := range []string{"level=WARN", "backend=vt", "id=h1", "reason=max_removals", "count=3", `next="scimbridge hold list"`} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	if !strings.Contains(lines[1], "level=INFO") || !strings.Contains(lines[1], "condition ended: hold h1") {
		t.Error(lines[1])
	}
}

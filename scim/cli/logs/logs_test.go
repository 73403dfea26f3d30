package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

func TestSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := newSpool(writerFunc(func([]byte) (int, error) { return 0, syscall.EPIPE }))
		_, _ = gone.Write([]byte("one\ntwo\n"))
		gone.Close()
		if n := gone.Dropped(); n != 2 {
			t.Errorf("%v lines were lost", n)
		}
		release := make(chan struct{})
		defer close(release)
		stuck := newSpool(writerFunc(func(p []byte) (int, error) { <-release; return len(p), nil }))
		line := bytes.Repeat([]byte("x"), 1<<10)
		for range 3 * maxSpool >> 10 {
			if _, err := stuck.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		if n := stuck.Dropped(); n < maxSpool>>10 || n > 2*maxSpool>>10 {
			t.Errorf("%v lines were dropped", n)
		}
		stuck.Close()
	})
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	log, lines, err := New(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		log.Info("a line", "i", i, "outside", "red\x1b[31m\u202e\u009b")
	}
	lines.Close()
	for i, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var line struct {
			I       int
			Outside string
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.I != i || line.Outside != "red\x1b[31m\u202e\u009b" || strings.ContainsAny(text, "\x1b\u202e\u009b") {
			t.Fatalf("line %d: %q %v", i, text, err)
		}
	}
}

func TestDroppedLine(t *testing.T) {
	if got := droppedLine(true, 3); got != "level=WARN msg=\"log lines were dropped: the reader is too slow\" dropped=3\n" {
		t.Error(got)
	}
	var line struct{ Dropped int }
	if err := json.Unmarshal([]byte(droppedLine(false, 3)), &line); err != nil || line.Dropped != 3 {
		t.Error(err, line)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

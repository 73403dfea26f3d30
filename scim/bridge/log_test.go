package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// launchUnread starts the process with a log that the test does not read, and returns the end of
// the pipe at which it could.
func (s *setup) launchUnread(args ...string) (*exec.Cmd, *os.File) {
	s.t.Helper()
	s.scim, s.console = "http://"+s.fix("server")+"/scim/v2", "http://"+s.fix("console")
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"serve", "--config", s.path}, args...)...)
	cmd.Env = append(os.Environ(), mainVariable+"=1")
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = write.Close()
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = read.Close() })
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get(s.console + "/readyz"); err == nil {
			_ = res.Body.Close()
			return cmd, read
		}
		if time.Now().After(end) {
			s.t.Fatal("does not start")
		}
	}
}

// ends says whether a process that was told to ends within the ten seconds of the contract.
func (s *setup) ends(cmd *exec.Cmd) {
	s.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			s.t.Errorf("ended with %v", err)
		}
		s.t.Logf("ended after %s", time.Since(begun))
	case <-time.After(patience):
		s.t.Error("does not end")
	}
}

func TestLogReader(t *testing.T) {
	for _, tt := range []struct {
		name string
		does func(*os.File)
	}{
		{"that hangs stops neither requests nor the end", func(*os.File) {}},
		{"that goes away stops neither requests nor the end", func(f *os.File) { _ = f.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
			cmd, read := s.launchUnread("--log-level", "debug")
			tt.does(read)
			s.person("ada@example.com")
			s.group("VT Admins", s.user("ada@example.com"))
			for range 1000 { // more lines than a pipe holds
				if status, body := s.send(entraToken, "GET", "/Users?count=1", ""); status != 200 {
					t.Fatalf("%d %s", status, body)
				}
			}
			s.eventually("delivered", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
			s.ends(cmd)
		})
	}
}

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

func TestLogIsWhole(t *testing.T) {
	var out bytes.Buffer
	log, lines, err := logger(&out, "info")
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

// A stop has an end, even if one of its steps has none.
func TestStopHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, release := &Bridge{}, make(chan struct{})
		b.onStop("something that hangs", func(context.Context) error { <-release; return nil })
		begun := time.Now()
		if err := b.stopInTime(); err == nil || time.Since(begun) > grace {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		close(release)
	})
}

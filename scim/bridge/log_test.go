package bridge_test

import (
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
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

// ends fails if an interrupted process does not end within the ten seconds of the contract.
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

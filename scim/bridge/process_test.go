package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mainVariable makes the test binary be the program.
const mainVariable = "SCIMBRIDGE_TEST_MAIN"

// process is the bridge as a process of its own, which can be killed.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

// launch starts `scimbridge serve` and waits until it is ready. A process whose listener cannot be had yet is fatal.
func (s *setup) launch() *process {
	s.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(exe, "serve", "--config", s.path)
	cmd.Env = append(os.Environ(), mainVariable+"=1")
	log, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan error, 1)}
	addresses, ended := make(chan [2]string, 1), make(chan string, 1)
	go func() {
		last := ""
		for lines := bufio.NewScanner(log); lines.Scan(); last = lines.Text() {
			var line struct{ Msg, Scim, Console string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				addresses <- [2]string{line.Scim, line.Console}
			}
		}
		ended <- last
		p.done <- cmd.Wait()
	}()
	s.t.Cleanup(func() { _ = cmd.Process.Kill() })
	select {
	case a := <-addresses:
		s.scim, s.console = a[0], a[1]
	case last := <-ended:
		s.t.Fatalf("ended at the start: %s", last)
	case <-time.After(patience):
		s.t.Fatal("does not start")
	}
	return p
}

// load adds and removes members as two clients would until ctx ends, and notes for each person what was last answered.
func (s *setup) load(ctx context.Context, seed uint64, group string, ids []string, in map[string]string) {
	r := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		id := ids[r.IntN(len(ids))]
		op, state := `{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`, "in"
		if r.IntN(2) == 0 {
			op, state = `{"op":"remove","path":"members[value eq \"`+id+`\"]"}`, "out"
		}
		req, err := http.NewRequestWithContext(ctx, "PATCH", s.scim+"/Groups/"+group,
			strings.NewReader(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+op+`]}`))
		if err != nil {
			s.t.Error(err)
			return
		}
		req.Header.Set("Authorization", entraToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			in[id] = "unknown" // the process was killed: perhaps, perhaps not
			return
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			s.t.Errorf("%d", res.StatusCode)
			return
		}
		in[id] = state
	}
}

// TestKill kills the process in the middle of load, over and over. No change that was answered is missing afterwards,
// and the roles become those of the groups.
func TestKill(t *testing.T) {
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			s := newSetup(t, profile, "batch: {size: 5, wait: 20ms}")
			const clients, each = 4, 8
			var ids [clients][]string
			var last [clients]map[string]string
			p := s.launch()
			group := s.group("VT Admins")
			for c := range clients {
				last[c] = map[string]string{}
				for i := range each {
					email := fmt.Sprintf("p%d-%d@example.com", c, i)
					s.person(email)
					ids[c] = append(ids[c], s.user(email))
				}
			}
			r := rand.New(rand.NewPCG(seed, 2))
			for round := range 5 {
				ctx, stop := context.WithCancel(context.Background())
				var wg sync.WaitGroup
				for c := range clients {
					wg.Go(func() { s.load(ctx, seed+uint64(round*clients+c), group, ids[c], last[c]) })
				}
				time.AfterFunc(time.Duration(100+r.IntN(400))*time.Millisecond, func() { _ = p.cmd.Process.Signal(syscall.SIGKILL) })
				<-p.done
				wg.Wait()
				stop()
				p = s.launch()
				s.compare(group, ids[:], last[:])
			}
			want := map[string]string{}
			for c := range clients {
				for i, id := range ids[c] {
					want[fmt.Sprintf("p%d-%d@example.com", c, i)] = map[string]string{"in": "acme GROUP_ADMIN"}[last[c][id]]
				}
			}
			s.eventually("after five kills", want)
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := <-p.done; err != nil {
				t.Errorf("stopped with %v", err)
			}
		})
	}
}

// compare holds the group as it is served against what was answered, and learns what became of what was not.
func (s *setup) compare(group string, ids [][]string, last []map[string]string) {
	s.t.Helper()
	status, body := s.send(entraToken, "GET", "/Groups/"+group, "")
	var g struct {
		Members []struct{ Value string }
	}
	if err := json.Unmarshal(body, &g); status != 200 || err != nil {
		s.t.Fatalf("%d %s", status, body)
	}
	members := map[string]bool{}
	for _, m := range g.Members {
		members[m.Value] = true
	}
	for c := range ids {
		for _, id := range ids[c] {
			is := "out"
			if members[id] {
				is = "in"
			}
			if was := last[c][id]; was != "unknown" && was != is && !(was == "" && is == "out") {
				s.t.Errorf("%s was answered %q and is %q", id, was, is)
			}
			last[c][id] = is
		}
	}
}

// TestStop stops the process while requests and a slow vendor call are under way: accepted requests are answered, and
// it ends by itself with exit code 0.
func TestStop(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 5, wait: 20ms}")
	s.person("ada@example.com")
	p := s.launch()
	id := s.user("ada@example.com")
	group := s.group("VT Admins", id)
	s.eventually("before", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	last := map[string]string{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.load(ctx, 7, group, []string{id}, last) })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	wg.Wait()
	cancel()
	s.launch()
	s.compare(group, [][]string{{id}}, []map[string]string{last})
	s.eventually("after", map[string]string{"ada@example.com": map[string]string{"in": "acme GROUP_ADMIN"}[last[id]]})
}

package bridge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mainVariable makes the test binary be the program.
const mainVariable = "SCIMBRIDGE_TEST_MAIN"

// skewVariable is by how much its clock is wrong.
const skewVariable = "SCIMBRIDGE_TEST_SKEW"

// process is the bridge as a process of its own, which can be killed.
type process struct {
	cmd       *exec.Cmd
	done      chan error
	addresses chan [2]string // of SCIM and the console, once it serves
	ended     chan string    // its last line

	mu    sync.Mutex
	lines []string // the last that it has said
}

// keptLines is enough for what a process prints when it shows its goroutines.
const keptLines = 2000

func (p *process) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines = append(p.lines, line); len(p.lines) > keptLines {
		p.lines = p.lines[1:]
	}
}

// stands is the last that a process has said, and where it stands if it still runs, which ends it.
func (p *process) stands() string {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(patience / 10): // it is stopped, or waits for a disk
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// kills is how many times each profile's process is killed: SCIMBRIDGE_KILLS over the three of them.
func kills(t *testing.T) int {
	t.Helper()
	if v := os.Getenv("SCIMBRIDGE_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return n/len(profiles) + 1
	}
	if os.Getenv("SCIMBRIDGE_LONG") != "" {
		return 120/len(profiles) + 1
	}
	return 5
}

// launch starts `scimbridge serve` and waits until it is ready. A process whose listener cannot be had yet is fatal.
func (s *setup) launch() *process {
	s.t.Helper()
	p := s.begin()
	select {
	case a := <-p.addresses:
		s.scim, s.console = a[0], a[1]
	case last := <-p.ended:
		s.t.Fatalf("ended at the start: %s", last)
	case <-time.After(patience):
		s.t.Fatal("does not start")
	}
	return p
}

// begin starts `scimbridge serve` and does not wait.
func (s *setup) begin() *process {
	s.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(exe, "serve", "--config", s.path)
	cmd.Env = append(os.Environ(), mainVariable+"=1", skewVariable+"="+s.skew.String())
	log, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan error, 1), addresses: make(chan [2]string, 1), ended: make(chan string, 1)}
	go func() {
		last := ""
		for lines := bufio.NewScanner(log); lines.Scan(); last = lines.Text() {
			p.say(lines.Text())
			var line struct{ Msg, Scim, Console string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				p.addresses <- [2]string{line.Scim, line.Console}
			}
		}
		p.ended <- last
		p.done <- cmd.Wait()
	}()
	s.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

// load adds and removes members as two clients would until ctx ends, and records the last answer
// for each user.
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
			for round := range kills(t) {
				switch r.IntN(6) {
				case 0: // in the middle of a stop
					_ = p.cmd.Process.Signal(syscall.SIGTERM)
					doomed := p.cmd.Process
					time.AfterFunc(time.Duration(r.IntN(50))*time.Millisecond, func() { _ = doomed.Signal(syscall.SIGKILL) })
					<-p.done
					p = s.launch()
					s.compare(group, ids[:], last[:])
					continue
				case 1: // in the middle of a start
					_ = p.cmd.Process.Signal(syscall.SIGKILL)
					<-p.done
					half := s.begin()
					time.AfterFunc(time.Duration(r.IntN(100))*time.Millisecond, func() { _ = half.cmd.Process.Signal(syscall.SIGKILL) })
					<-half.done
					p = s.launch()
					s.compare(group, ids[:], last[:])
					continue
				}
				ctx, stop := context.WithCancel(context.Background())
				var wg sync.WaitGroup
				for c := range clients {
					wg.Go(func() { s.load(ctx, seed+uint64(round*clients+c), group, ids[c], last[c]) })
				}
				doomed := p.cmd.Process
				time.AfterFunc(time.Duration(100+r.IntN(400))*time.Millisecond, func() { _ = doomed.Signal(syscall.SIGKILL) })
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
			s.eventually("after the kills", want)
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

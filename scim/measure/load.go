package measure

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
)

// startsMeasured is how many times the server is started; the median counts.
const startsMeasured = 3

// served is a server in a process of its own.
type served struct {
	cmd  *exec.Cmd
	scim string
	took time.Duration // until it was ready
}

// serve starts the server and measures it.
func (m *Scale) serve(ctx context.Context, found *Result) error {
	token, hash, err := auth.NewToken(rand.Reader)
	if err != nil {
		return err
	}
	configFile, err := m.config(hash)
	if err != nil {
		return err
	}
	var took []float64
	for n := range startsMeasured {
		s, err := launch(ctx, configFile)
		if err != nil {
			return err
		}
		if took = append(took, s.took.Seconds()); n == startsMeasured-1 {
			found.Memory.Started, _, _ = memoryOf(s.cmd.Process.Pid)
			found.StartCPU = cpuOf(s.cmd.Process.Pid).Seconds()
			found.Requests, err = m.load(ctx, s, token)
			_, found.Memory.Peak, found.Memory.Own = memoryOf(s.cmd.Process.Pid)
		}
		if err = errors.Join(err, s.stop()); err != nil {
			return err
		}
	}
	slices.Sort(took)
	found.Start = took[len(took)/2]
	return nil
}

// config writes the configuration of the server: the store, one client, and no backends.
func (m *Scale) config(hash string) (string, error) {
	storeConfig := map[string]string{"driver": m.Store.Driver, "key_file": filepath.Join(m.Dir, "operator-key")}
	switch {
	case m.Store.Driver == config.DriverPostgres && m.Store.DSN.Literal():
		dsn, err := m.Store.DSN.Value()
		if err != nil {
			return "", err
		}
		storeConfig["dsn"] = dsn.Reveal()
	case m.Store.Driver == config.DriverPostgres:
		storeConfig["dsn"] = m.Store.DSN.String()
	default:
		path, err := filepath.Abs(m.Store.Path)
		if err != nil {
			return "", err
		}
		storeConfig["path"] = path
	}
	const unlimited = "1000000/s" // what is measured is not the limits
	limits := map[string]any{"requests": unlimited, "connections_per_address": 2*m.Clients + 64, "connections": 2*m.Clients + 64}
	data, err := yaml.Marshal(map[string]any{
		"server": map[string]any{"listen": "127.0.0.1:0", "limits": limits}, "console": map[string]string{"listen": "127.0.0.1:0"}, "store": storeConfig,
		"identity_providers": map[string]any{measuredIdP: map[string]any{"tokens": []string{hash}, "rate_limit": unlimited}},
		"mappings":           []any{},
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(m.Dir, "config.yaml")
	return file, os.WriteFile(file, data, 0o600)
}

// launch starts the server and waits until it takes requests.
func launch(ctx context.Context, configFile string) (*served, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &served{cmd: exec.CommandContext(ctx, exe, "serve", "--config", configFile, "--log-level", "info")}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready, last := make(chan string, 1), ""
	go func() {
		defer close(ready)
		for lines := bufio.NewScanner(log); lines.Scan(); last = lines.Text() {
			var line struct{ Msg, Scim string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				ready <- line.Scim
				break
			}
		}
		_, _ = io.Copy(io.Discard, log) // until it ends
	}()
	scim, ok := <-ready
	if s.scim, s.took = scim, time.Since(begin); !ok {
		return nil, fmt.Errorf("the server does not start: %w: %s", s.cmd.Wait(), last)
	}
	return s, nil
}

func (s *served) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// load makes each kind of request in turn.
func (m *Scale) load(ctx context.Context, s *served, token string) (all []Requests, err error) {
	l := &loader{scim: s.scim, token: token, users: m.Users, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: m.Clients}}}
	defer l.client.CloseIdleConnections()
	for _, kind := range []struct {
		what    string
		clients int
		next    func(client int, r *mathrand.Rand) func(n int) exchange
	}{
		{"add or remove a member, small group", m.Clients, l.small},
		{"add or remove a member, group of all", m.Clients, l.ofAll},
		{"find a user by userName", m.Clients, l.find},
		{"read the group of all, without members", m.Clients, l.group},
		{"a page of 100 users from the middle", 1, l.page},
	} {
		fmt.Fprintln(m.Progress, "measuring:", kind.what)
		before := cpuOf(s.cmd.Process.Pid)
		one, err := l.measure(ctx, kind.clients, m.Each, kind.next)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind.what, err)
		}
		one.What, one.CPU = kind.what, float64((cpuOf(s.cmd.Process.Pid)-before).Microseconds())/float64(one.Count)
		all = append(all, one)
	}
	return all, nil
}

// exchange is one request and the expected answer.
type exchange struct {
	method, path, body string
	status             int
	holds              string
}

type loader struct {
	scim, token string
	users       int
	client      *http.Client
}

func membership(op, group, user string) exchange {
	operation := `{"op":"add","path":"members","value":[{"value":"` + user + `"}]}`
	if op == "remove" {
		operation = `{"op":"remove","path":"members[value eq \"` + user + `\"]"}`
	}
	return exchange{"PATCH", "/Groups/" + group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operation + `]}`, http.StatusNoContent, ""}
}

// small adds a user to a small group and removes the user again.
func (l *loader) small(client int, r *mathrand.Rand) func(int) exchange {
	user := ""
	return func(n int) exchange {
		if n%2 == 1 {
			return membership("remove", groupID(client%smallGroups), user)
		}
		user = userID(l.users/2 + r.IntN(l.users/2))
		return membership("add", groupID(client%smallGroups), user)
	}
}

// ofAll removes a user from the group of all users and adds the user again.
func (l *loader) ofAll(_ int, r *mathrand.Rand) func(int) exchange {
	user := ""
	return func(n int) exchange {
		if n%2 == 1 {
			return membership("add", groupID(ofAll), user)
		}
		user = userID(r.IntN(l.users))
		return membership("remove", groupID(ofAll), user)
	}
}

func (l *loader) find(_ int, r *mathrand.Rand) func(int) exchange {
	return func(int) exchange {
		name := measuredName(r.IntN(l.users))
		return exchange{"GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+name+`"`), "", http.StatusOK, `"totalResults":1,`}
	}
}

func (l *loader) group(int, *mathrand.Rand) func(int) exchange {
	return func(int) exchange {
		return exchange{"GET", "/Groups/" + groupID(ofAll) + "?excludedAttributes=members", "", http.StatusOK, groupID(ofAll)}
	}
}

func (l *loader) page(int, *mathrand.Rand) func(int) exchange {
	return func(int) exchange {
		return exchange{"GET", "/Users?attributes=userName&count=100&startIndex=" + strconv.Itoa(l.users/2), "", http.StatusOK, `"totalResults":` + strconv.Itoa(l.users) + `,`}
	}
}

// measure lets clients send one request after another for some time.
func (l *loader) measure(ctx context.Context, clients int, each time.Duration, next func(int, *mathrand.Rand) func(int) exchange) (Requests, error) {
	var wg sync.WaitGroup
	took, errs := make([][]time.Duration, clients), make([]error, clients)
	begin := time.Now()
	for c := range clients {
		wg.Go(func() {
			make := next(c, mathrand.New(mathrand.NewPCG(uint64(c), 1)))
			for n := 0; errs[c] == nil && (time.Since(begin) < each || n%2 == 1); n++ { // what was added is removed again
				start := time.Now()
				errs[c] = l.send(ctx, make(n))
				took[c] = append(took[c], time.Since(start))
			}
		})
	}
	wg.Wait()
	passed, all := time.Since(begin), slices.Concat(took...)
	slices.Sort(all)
	ms := func(q int) float64 { return float64(all[min(len(all)-1, len(all)*q/100)].Microseconds()) / 1000 }
	return Requests{Clients: clients, Count: len(all), Rate: float64(len(all)) / passed.Seconds(), Median: ms(50), P99: ms(99)}, errors.Join(errs...)
}

func (l *loader) send(ctx context.Context, q exchange) error {
	req, err := http.NewRequestWithContext(ctx, q.method, l.scim+q.path, strings.NewReader(q.body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	if q.body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode != q.status || !bytes.Contains(body, []byte(q.holds)):
		return fmt.Errorf("%s %s: status %d: %.200s", q.method, q.path, res.StatusCode, body)
	}
	return nil
}

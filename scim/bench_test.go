package scim_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

func benchUser(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

const (
	benchUsers = 100_000
	benchTeams = 50
)

func benchGroups() []string {
	groups := []string{"small", "large"}
	for i := range benchTeams {
		groups = append(groups, fmt.Sprint("team", i))
	}
	return groups
}

// fill makes the same in both: 100,000 users, a group of ten and one of 100,000.
func fill(user func(id, name string, attrs []byte) error, member func(group, id string) error) error {
	for i := range benchUsers {
		id, name := benchUser(i), fmt.Sprintf("user%d@example.com", i)
		attrs := fmt.Sprintf(`{"userName":%q,"active":true,"name":{"givenName":"Given","familyName":"Family"},"emails":[{"value":%q,"type":"work","primary":true}]}`, name, name)
		if err := user(id, name, []byte(attrs)); err != nil {
			return err
		}
		for g, size := range map[string]int{"small": 10, "large": benchUsers} {
			if i >= size {
				continue
			}
			if err := member(g, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// ours is this server over bolt.
func ours(dir string) (http.Handler, error) {
	s, err := bolt.Open(filepath.Join(dir, "bench.db"), bolt.Options{})
	if err != nil {
		return nil, err
	}
	err = s.Update(context.Background(), func(tx store.Tx) error {
		d := tx.Directory("acme")
		for _, g := range benchGroups() {
			if err := d.PutGroup(store.Group{ID: g, DisplayName: g, Version: 1, Attributes: json.RawMessage(`{"displayName":"` + g + `"}`)}); err != nil {
				return err
			}
		}
		return fill(func(id, name string, attrs []byte) error {
			return d.PutUser(store.User{ID: id, UserName: name, Emails: []string{name}, Active: true, Version: 1, Attributes: attrs})
		}, func(group, id string) error {
			_, err := d.AddMembers(group, id)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	server := scim.Server{Store: s, PublicURL: "https://scim.example.com/scim/v2",
		Auth:  auth.Verifier{Credentials: []auth.Credential{{IdP: "acme", Hash: sha256.Sum256([]byte(acmeToken))}}},
		Rules: testRules{targets: func(store.Group) []mapping.Target { return []mapping.Target{{Backend: "vt", Target: "acme"}} }}}
	return server.Handler(), nil
}

// theirs is the library's server over maps.
func theirs() (http.Handler, error) {
	m := &memory{users: map[string]elimity.Resource{}, byName: map[string]string{}, groups: map[string]*memoryGroup{}}
	for _, g := range benchGroups() {
		m.groups[g] = &memoryGroup{name: g, members: map[string]int{}}
	}
	err := fill(func(id, name string, attrs []byte) error {
		var parsed map[string]any
		err := json.Unmarshal(attrs, &parsed)
		m.users[id] = elimity.Resource{ID: id, Attributes: parsed, Meta: elimity.Meta{Version: `W/"1"`}}
		m.byName[name] = id
		return err
	}, func(group, id string) error { m.groups[group].add(id); return nil })
	if err != nil {
		return nil, err
	}
	return m.handler()
}

const benchVariable = "SCIMBRIDGE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if which := os.Getenv(benchVariable); which != "" {
		if err := serveBench(which); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveBench is one of the two servers, in a process of its own, so that the garbage of one is not
// charged to the other. It says its address on the standard output and ends with its standard
// input.
func serveBench(which string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var h http.Handler
	if which == "ours" {
		h, err = ours(dir)
	} else {
		h, err = theirs()
	}
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/scim/v2/", h)
	mux.HandleFunc("/cpu", func(w http.ResponseWriter, _ *http.Request) {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	srv := &http.Server{Handler: mux}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark ends
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// contestant is one of the two servers.
type contestant struct {
	url    string
	client *http.Client
}

func launch(b *testing.B, which string) *contestant {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchVariable+"="+which)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &contestant{"http://" + strings.TrimSpace(address), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

func (c *contestant) cpu(b *testing.B) time.Duration {
	b.Helper()
	res, err := c.client.Get(c.url + "/cpu")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var n int64
	if _, err := fmt.Fscan(res.Body, &n); err != nil {
		b.Fatal(err)
	}
	return time.Duration(n)
}

// request is one of a benchmark; n numbers them, so that every one changes something.
type request func(n int) (method, path, body string)

// load sends n requests from 64 clients and returns CPU of the server and time, for one.
func (c *contestant) load(b *testing.B, r request, from, n int) (used, took time.Duration) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	used, began := c.cpu(b), time.Now()
	for range min(64, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				method, path, body := r(from + i)
				req, err := http.NewRequestWithContext(b.Context(), method, c.url+"/scim/v2"+path, strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header = http.Header{"Authorization": {"Bearer " + acmeToken}, "Content-Type": {"application/scim+json"}}
				res, err := c.client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body) // its length is not what is measured
				_ = res.Body.Close()
				if res.StatusCode != 200 && res.StatusCode != 204 {
					b.Errorf("%s %s: %d", method, path, res.StatusCode)
					return
				}
			}
		})
	}
	wg.Wait()
	took = time.Since(began)
	return (c.cpu(b) - used) / time.Duration(n), took / time.Duration(n)
}

func patchOf(ops string) string { return patchHead + ops + `}` }

// addUsers adds each of the users, a thousand at a time, to one group after the other.
func addUsers(n int) (string, string, string) {
	const each = 1000
	var b strings.Builder
	for i := range each {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":"%s"}`, benchUser(n%(benchUsers/each)*each+i))
	}
	return "PATCH", fmt.Sprintf("/Groups/team%d", n/(benchUsers/each)%benchTeams), patchOf(`[{"op":"add","path":"members","value":[` + b.String() + `]}]`)
}

func addMembers(group string, each int) request {
	return func(n int) (string, string, string) {
		var b strings.Builder
		for i := range each {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"value":"%s"}`, benchUser(1_000_000+n*each+i))
		}
		return "PATCH", "/Groups/" + group, patchOf(`[{"op":"add","path":"members","value":[` + b.String() + `]}]`)
	}
}

func removeMembers(group string, each int) request {
	return func(n int) (string, string, string) {
		var b strings.Builder
		for i := range each {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"op":"remove","path":"members[value eq \"%s\"]"}`, benchUser(n*each+i))
		}
		return "PATCH", "/Groups/" + group, patchOf(`[` + b.String() + `]`)
	}
}

// BenchmarkAgainstMemory compares, for the same requests of 64 clients in one run, this server over
// bolt, durable, with a bare server of the library over maps. It reports ratios of CPU and of time:
// below 1, ours takes less.
func BenchmarkAgainstMemory(b *testing.B) {
	mineServer, otherServer := launch(b, "ours"), launch(b, "theirs")
	get := func(path string) request { return func(int) (string, string, string) { return "GET", path, "" } }
	filtered := func(n int) (string, string, string) {
		return "GET", fmt.Sprintf("/Users?filter=userName%%20eq%%20%%22user%d@example.com%%22", n*7919%benchUsers), ""
	}
	from := 0
	for _, c := range []struct {
		name string
		r    request
		n    int
	}{
		// Reads first: what is added below puts people into groups, which our users list and theirs
		// do not.
		{"userName eq among 100000", filtered, 2000},
		{"group of 100000 with members", get("/Groups/large"), 10},
		{"group of 100000 without", get("/Groups/large?excludedAttributes=members"), 2000},
		{"add one member", addMembers("small", 1), 2000},
		{"remove one by value filter", removeMembers("large", 1), 2000},
		{"add 1000 members in one", addUsers, 20},
		{"1000 removes in one", removeMembers("large", 1000), 5},
	} {
		b.Run(c.name, func(b *testing.B) {
			var mine, other, mineTook, otherTook time.Duration
			for b.Loop() {
				u, d := mineServer.load(b, c.r, from, c.n)
				mine, mineTook = mine+u, mineTook+d
				u, d = otherServer.load(b, c.r, from, c.n)
				other, otherTook = other+u, otherTook+d
				from += c.n
			}
			b.ReportMetric(float64(mine)/float64(other), "cpu-ratio")
			b.ReportMetric(float64(mineTook)/float64(otherTook), "time-ratio")
			b.ReportMetric(float64(mine.Microseconds())/float64(b.N), "µs-cpu/request")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("add one member, to 100000 against to 10", func(b *testing.B) {
		var large, small time.Duration
		for b.Loop() {
			u, _ := mineServer.load(b, addMembers("large", 1), from, 2000)
			large += u
			from += 2000
			u, _ = mineServer.load(b, addMembers("small", 1), from, 2000)
			small += u
			from += 2000
		}
		b.ReportMetric(float64(large)/float64(small), "cpu-ratio")
		b.ReportMetric(0, "ns/op")
	})
}

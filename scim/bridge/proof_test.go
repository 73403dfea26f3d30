package bridge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/console"
)

// operatorKeyOf returns the operator's key of a setup, and its file.
func (s *setup) operatorKeyOf() (key, path string) {
	s.t.Helper()
	path = s.bridge.Config.Store.OperatorKeyFile()
	raw, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(raw)), path
}

// pretend listens in place of the console and answers with serve. It returns every request.
func (s *setup) pretend(serve http.HandlerFunc) func() string {
	s.t.Helper()
	l, err := net.Listen("tcp", s.bridge.Config.Console.Listen)
	if err != nil {
		s.t.Fatal(err)
	}
	var mu sync.Mutex
	var seen strings.Builder
	fake := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		fmt.Fprintln(&seen, r.Method, r.URL, r.Header, string(body))
		mu.Unlock()
		serve(w, r)
	})}}
	fake.Start()
	s.t.Cleanup(fake.Close)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return seen.String()
	}
}

func TestServerWithoutKey(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"answers everything": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"challenge":"x","proof":"y"}`)
		},
		"refuses everything":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"is no server of ours": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"sends elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
			s.fixConsole()
			s.start()
			key, _ := s.operatorKeyOf()
			s.stop()
			seen := s.pretend(serve)
			for _, args := range [][]string{{"status"}, {"hold", "approve", "vt-1"}, {"plan"}, {"export"}} {
				if code, out := s.command(args...); code != 1 || !strings.Contains(out, "does not know the operator's key") {
					t.Errorf("%v: %d %s", args, code, out)
				}
			}
			if got := seen(); got == "" || strings.Contains(got, key) {
				t.Errorf("it received %s", got)
			}
		})
	}
}

// A program between the command and the server cannot repeat a request.
func TestRelayedCommand(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.start()
	key, _ := s.operatorKeyOf()
	address := s.console
	var signed *http.Request
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		again, err := http.NewRequestWithContext(r.Context(), r.Method, address+r.URL.RequestURI(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		if again.Header = r.Header.Clone(); r.Header.Get("Authorization") != "" {
			signed = again.Clone(t.Context())
		}
		res, err := http.DefaultClient.Do(again)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	defer relay.Close()
	s.edit("console: {listen: 127.0.0.1:0}", "console: {listen: "+strings.TrimPrefix(relay.URL, "http://")+"}")
	if code, out := s.command("resync", "vt"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	if signed == nil || strings.Contains(fmt.Sprint(signed.Header), key) {
		t.Fatalf("the relay received %v", signed)
	}
	for _, path := range []string{"/api/resync?backend=vt", "/api/retry", "/api/status"} {
		again := signed.Clone(t.Context())
		again.URL.Path, again.URL.RawQuery, _ = strings.Cut(path, "?")
		res, err := http.DefaultClient.Do(again)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// answersChallenges proves to commands that it has a key; serve answers the other requests.
func answersChallenges(t *testing.T, key string, serve http.HandlerFunc) http.HandlerFunc {
	challenger := &auth.Challenger{}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/challenge" {
			serve(w, r)
			return
		}
		challenge, proof, err := challenger.Challenge(key, r.URL.Query().Get("nonce"))
		if err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(console.Challenge{Challenge: challenge, Proof: proof})
	}
}

// Names of a vendor or an identity provider have no effect on a terminal, and start no line of a table.
// JSON has the same values.
func TestCommandOutput(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	key, _ := s.operatorKeyOf()
	s.stop()
	const name = "ada\u202e\x1b[2J\u009b\nvt-9  everything is fine\t@example.com"
	s.pretend(answersChallenges(t, key, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/holds":
			_ = json.NewEncoder(w).Encode([]desk.Hold{{ID: "vt-1", Backend: "vt", Target: name, Grants: []desk.HeldItem{{Person: name, Account: name, Role: name}}}})
		case "/api/explain":
			_ = json.NewEncoder(w).Encode([]desk.Why{{Backend: "vt", User: name, Groups: []string{name}, Account: name}})
		case "/api/plan":
			_ = json.NewEncoder(w).Encode([]desk.Preview{{Backend: "vt", Notes: []string{name}, Calls: []desk.PreviewCall{{Target: name}}}})
		default:
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": name})
		}
	}))
	for _, args := range [][]string{{"hold", "list"}, {"explain", "ada"}, {"plan"}, {"retry"}} {
		_, out := s.command(args...)
		if !strings.Contains(out, "ada") || strings.ContainsAny(out, "\u202e\x1b\u009b") {
			t.Errorf("%v: %q", args, out)
		}
		if strings.Contains(out, "\nvt-9") && args[0] != "retry" { // an error may have several lines
			t.Errorf("%v: a name begins a line: %q", args, out)
		}
	}
	code, out := s.command("hold", "list", "--json")
	var holds []desk.Hold
	if err := json.Unmarshal([]byte(out), &holds); code != 0 || err != nil || holds[0].Target != name {
		t.Errorf("%d %v %q", code, err, out)
	}
}

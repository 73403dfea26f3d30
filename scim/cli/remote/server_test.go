package remote

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestServer names a server on another machine by flags and variables.
func TestServer(t *testing.T) {
	var given string
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch given = r.Header.Get("Authorization"); {
		case given != "Bearer the-key-of-ci":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/behind/api/away":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		case r.URL.Path != "/behind/api/status":
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":"this needs admin"}`)
		default:
			_, _ = io.WriteString(w, `{"version":"v1"}`)
		}
	})
	plain, secure := httptest.NewServer(serve), httptest.NewTLSServer(serve)
	defer plain.Close()
	defer secure.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	key, wrong := write("key", "the-key-of-ci\n"), write("wrong", "another-key\n")
	t.Setenv("CI_KEY", "the-key-of-ci")
	for name, c := range map[string]struct {
		args []string
		env  string
		path string
		want string // "" works
	}{
		"TLS by an authority of ours":     {args: []string{"--server", secure.URL + "/behind/", "--key", "file:" + key, "--ca", ca}},
		"loopback":                        {args: []string{"--server", plain.URL + "/behind", "--key", "env:CI_KEY"}},
		"variables":                       {env: plain.URL + "/behind"},
		"a role that is too low":          {env: plain.URL + "/behind", path: "/api/reload", want: "this needs admin"},
		"a redirect is not followed":      {env: plain.URL + "/behind", path: "/api/away", want: "307"},
		"a certificate of another":        {args: []string{"--server", secure.URL, "--key", "env:CI_KEY"}, want: "certificate"},
		"a wrong key":                     {args: []string{"--server", plain.URL, "--key", "file:" + wrong}, want: "refuses the operator's key: it is unknown there, or has expired"},
		"a key on the command line":       {args: []string{"--server", plain.URL, "--key", "the-key-of-ci"}, want: "--key: expected env:NAME or file:/path"},
		"a key that is not there":         {args: []string{"--server", plain.URL, "--key", "env:NO_SUCH_KEY"}, want: "NO_SUCH_KEY is not set"},
		"no key":                          {args: []string{"--server", plain.URL}, want: "no operator's key"},
		"a key without a server":          {args: []string{"--key", "env:CI_KEY"}, want: "--key and --ca need --server"},
		"plain HTTP to another machine":   {args: []string{"--server", "http://scimbridge.example.com", "--key", "env:CI_KEY"}, want: "loopback only"},
		"no URL":                          {args: []string{"--server", "scimbridge.example.com", "--key", "env:CI_KEY"}, want: "expected a URL"},
		"an authority that is not a file": {args: []string{"--server", secure.URL, "--key", "env:CI_KEY", "--ca", key}, want: "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			given = ""
			t.Setenv("SCIMBRIDGE_SERVER", c.env)
			t.Setenv("SCIMBRIDGE_KEY", map[bool]string{true: "the-key-of-ci"}[c.env != ""])
			file := filepath.Join(dir, "no-such-config.yaml")
			s, called := &Server{Config: &file}, &cobra.Command{Use: "x"}
			s.Flags(called)
			if err := called.ParseFlags(c.args); err != nil {
				t.Fatal(err)
			}
			o, err := New(s)
			if err == nil {
				if c.path == "" {
					c.path = "/api/status"
				}
				var answer map[string]string
				err = o.Call(t.Context(), "GET", c.path, &answer)
			}
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v; want %s", err, c.want)
			case err != nil && (strings.Contains(err.Error(), "key-of-ci") || strings.Contains(err.Error(), "another-key")):
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}

package bridge_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
)

// A backend is called with its configured authority and proxy.
func TestOutgoing(t *testing.T) {
	vt := vtsimulator.New(vtsimulator.Options{Profile: "lenient"})
	vt.Join("acme", vt.AddPerson("ada@example.com"))
	vendor, proxy := httptest.NewTLSServer(vt), httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "vendor.invalid" {
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/proxied")
			vt.ServeHTTP(w, r)
		}
	}))
	defer vendor.Close()
	defer proxy.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vendor.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_PROXY", proxy.URL)
	outgoing := func(ca, proxy string) config.Outgoing {
		return config.Outgoing{CAFile: ca, Proxy: config.NewSecret(proxy)}
	}
	for name, c := range map[string]struct {
		url  string
		way  config.Outgoing
		want string
	}{
		"no authority":            {vendor.URL, config.Outgoing{}, "the certificate of the server is not trusted"},
		"an authority":            {vendor.URL, outgoing(ca, ""), ""},
		"a proxy":                 {"http://vendor.invalid/proxied", outgoing("", "env:TEST_PROXY"), ""},
		"a proxy of no authority": {"http://vendor.invalid/proxied", outgoing("", vendor.URL), "not trusted"},
		"a metadata service":      {"http://169.254.169.254", config.Outgoing{}, "not called"},
	} {
		vt := &config.Backend{Kind: "virustotal", RateLimit: "1000/s", URL: c.url, Outgoing: c.way, APIKey: config.NewSecret("canary-key-of-the-tests")}
		conf := &config.Config{Kinds: bridge.Kinds(), Backends: map[string]*config.Backend{"vt": vt}}
		client, err := bridge.Connect(conf, "vt")
		if err != nil {
			t.Fatal(err)
		}
		o, err := client.Observe(t.Context(), "acme")
		if c.want == "" && (err != nil || len(o.Members) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %d people, %v, want %q", name, len(o.Members), err, c.want)
		}
	}
}

// A printed configuration shows the source of a secret, and no secret.
func TestPrintedConfiguration(t *testing.T) {
	s := newSetup(t, "strict", "")
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	c.Backends["rc"].Token = config.NewSecret("env:RC_TOKEN")
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{"%v": fmt.Sprintf("%v %v", c, *c.Backends["vt"]), "%+v": fmt.Sprintf("%+v %+v", c.IdentityProviders, *c.Backends["rc"]),
		"%#v": fmt.Sprintf("%#v %#v", c.IdentityProviders, *c.Backends["rc"]), "yaml": string(asYAML)} {
		for _, secret := range []string{oktaToken, entraToken, "canary-key-of-the-tests"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q: %s", form, secret, text)
			}
		}
	}
	if text := string(asYAML); !strings.Contains(text, "env:RC_TOKEN") || !strings.Contains(text, "<secret>") {
		t.Errorf("the printed configuration does not say where secrets are: %s", text)
	}
}

package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestPaths holds every path of a file to the folder of the file.
func TestPaths(t *testing.T) {
	const text = `
server: {tls: {cert_file: c.pem, key_file: /k.pem, client_ca_file: ../ca.pem}}
store: {path: data/s.db, key_file: s.key, dsn: file:dsn}
identity_providers:
  okta:
    tokens: [file:t1, {value: file:t2}, env:T3]
    jwt: {ca_file: jwt.pem, proxy: file:proxy}
    oauth: {clients: [{id: a, secrets: [file:s1], federation: {ca_file: f.pem}}]}
backends:
  vt: {api_key: file:key, ca_file: vt.pem, proxy: file:/proxy}
`
	c, _, err := decode("/etc/scimbridge/config.yaml", []byte(text), kinds())
	if err != nil {
		t.Fatal(err)
	}
	okta, vt := c.IdentityProviders["okta"], c.Backends["vt"]
	client := okta.OAuth.Clients[0]
	got := []string{
		c.Server.TLS.CertFile, c.Server.TLS.KeyFile, c.Server.TLS.ClientCAFile, c.Store.Path, c.Store.KeyFile, c.Store.DSN.String(),
		okta.Tokens[0].Secret.String(), okta.Tokens[1].Secret.String(), okta.Tokens[2].Secret.String(), okta.JWT.CAFile, okta.JWT.Proxy.String(),
		client.Secrets[0].Secret.String(), client.Federation.CAFile, vt.APIKey.String(), vt.CAFile, vt.Proxy.String(),
	}
	const dir = "/etc/scimbridge/"
	want := []string{
		dir + "c.pem", "/k.pem", "/etc/ca.pem", dir + "data/s.db", dir + "s.key", "file:" + dir + "dsn",
		"file:" + dir + "t1", "file:" + dir + "t2", "env:T3", dir + "jwt.pem", "file:" + dir + "proxy",
		"file:" + dir + "s1", dir + "f.pem", "file:" + dir + "key", dir + "vt.pem", "file:/proxy",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for file, want := range map[string]string{"config.yaml": "data/s.db", "conf/config.yaml": "conf/data/s.db", "/dev/fd/63": "data/s.db"} {
		if c, _, _ := decode(file, []byte(text), kinds()); c.Store.Path != want {
			t.Errorf("%s: %s", file, c.Store.Path)
		}
	}
	c, _, _ = decode(dir+"config.yaml", []byte("store: {driver: postgres}"), kinds())
	if file := c.Store.OperatorKeyFile(); file != dir+postgresKeyFile {
		t.Error(file)
	}
	if c, _, _ = decode(dir+"config.yaml", []byte("server: {}"), kinds()); c.Store.Path != dir+Default().Store.Path || !reflect.DeepEqual(c.Server, Default().Server) {
		t.Errorf("%+v", c)
	}
}

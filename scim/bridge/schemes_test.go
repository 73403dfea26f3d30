package bridge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestAuthenticationSchemes holds what discovery lists to what the configuration accepts.
func TestAuthenticationSchemes(t *testing.T) {
	secret := OAuthConfig{Clients: []ClientConfig{{ID: "job", Secrets: []TokenConfig{{}}}}}
	federated := OAuthConfig{Clients: []ClientConfig{{ID: "wif", Federation: JWTConfig{Tenant: tenantID}}}}
	both := OAuthConfig{Clients: slices.Concat(secret.Clients, federated.Clients, []ClientConfig{{ID: "neither"}})}
	signed := JWTConfig{Issuer: "https://idp.example/"}
	const bearer, oauth, certificate = "oauthbearertoken Signed token", "oauth2 OAuth 2.0 client credentials", "tlsclientcertificate TLS client certificate"
	static := IdPConfig{Tokens: []TokenConfig{{}}}
	for name, c := range map[string]struct {
		idps map[string]IdPConfig
		ca   string
		want []string
	}{
		"static tokens only":         {map[string]IdPConfig{"a": static}, "", nil},
		"signed tokens":              {map[string]IdPConfig{"a": {JWT: signed}}, "", []string{bearer}},
		"a client with a secret":     {map[string]IdPConfig{"a": {OAuth: secret}}, "", []string{oauth + " its secret"}},
		"a client with an assertion": {map[string]IdPConfig{"a": {OAuth: federated}}, "", []string{oauth + " private_key_jwt"}},
		"client certificates":        {map[string]IdPConfig{"a": static}, "ca.pem", []string{certificate}},
		"several providers, everything": {map[string]IdPConfig{"a": {JWT: signed, OAuth: both}, "b": {JWT: signed}}, "ca.pem",
			[]string{bearer, oauth + " its secret private_key_jwt", certificate}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &Bridge{Config: &Config{IdentityProviders: c.idps, Server: ServerConfig{TLS: TLSConfig{ClientCAFile: c.ca}}}}
			var got []string
			for _, s := range b.schemes() {
				line := s.Type + " " + s.Name
				for _, proof := range []string{"its secret", "private_key_jwt"} {
					if strings.Contains(s.Description, proof) {
						line += " " + proof
					}
				}
				if got = append(got, line); !strings.HasPrefix(s.SpecURI, "https://www.rfc-editor.org/info/rfc") {
					t.Errorf("%s is specified at %q", s.Name, s.SpecURI)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A client reads in ServiceProviderConfig how it can authenticate, one scheme preferred.
func TestSchemesAreServed(t *testing.T) {
	s := withOAuth(t, newSigner(t))
	s.start()
	var config struct {
		AuthenticationSchemes []struct {
			Type    string
			Primary bool
		}
	}
	status, body := s.send(entraToken, "GET", "/ServiceProviderConfig", "")
	if err := json.Unmarshal(body, &config); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if got, want := fmt.Sprint(config.AuthenticationSchemes), "[{oauthbearertoken true} {httpbasic false} {oauth2 false}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

package bridge

import (
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/config"
)

// TestAuthenticationSchemes holds what discovery lists to what the configuration accepts.
func TestAuthenticationSchemes(t *testing.T) {
	secret := config.OAuth{Clients: []config.Client{{ID: "job", Secrets: []config.Token{{}}}}}
	federated := config.OAuth{Clients: []config.Client{{ID: "wif", Federation: config.JWT{Tenant: "ce5f061f-abe6-4e40-9615-301f87bcb7f0"}}}}
	both := config.OAuth{Clients: slices.Concat(secret.Clients, federated.Clients, []config.Client{{ID: "neither"}})}
	signed := config.JWT{Issuer: "https://idp.example/"}
	const bearer, oauth, certificate = "oauthbearertoken Signed token", "oauth2 OAuth 2.0 client credentials", "tlsclientcertificate TLS client certificate"
	static := config.IdentityProvider{Tokens: []config.Token{{}}}
	for name, c := range map[string]struct {
		idps map[string]config.IdentityProvider
		ca   string
		want []string
	}{
		"static tokens only":         {map[string]config.IdentityProvider{"a": static}, "", nil},
		"signed tokens":              {map[string]config.IdentityProvider{"a": {JWT: signed}}, "", []string{bearer}},
		"a client with a secret":     {map[string]config.IdentityProvider{"a": {OAuth: secret}}, "", []string{oauth + " its secret"}},
		"a client with an assertion": {map[string]config.IdentityProvider{"a": {OAuth: federated}}, "", []string{oauth + " private_key_jwt"}},
		"client certificates":        {map[string]config.IdentityProvider{"a": static}, "ca.pem", []string{certificate}},
		"several providers, everything": {map[string]config.IdentityProvider{"a": {JWT: signed, OAuth: both}, "b": {JWT: signed}}, "ca.pem",
			[]string{bearer, oauth + " its secret private_key_jwt", certificate}},
	} {
		t.Run(name, func(t *testing.T) {
			conf := &config.Config{IdentityProviders: c.idps, Server: config.Server{TLS: config.TLS{ClientCAFile: c.ca}}}
			var got []string
			for _, s := range schemes(conf) {
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

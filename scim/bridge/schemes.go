package bridge

import (
	"strings"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/discovery"
)

// schemes returns the ways to authenticate that the configuration offers besides static tokens. A
// reload changes none of them.
func schemes(c *config.Config) []discovery.Scheme {
	var all []discovery.Scheme
	if len(signing(c)) > 0 {
		all = append(all, discovery.Scheme{Type: "oauthbearertoken", Name: "Signed token",
			Description: "A JWT that the identity provider signs, in the Authorization header", SpecURI: "https://www.rfc-editor.org/info/rfc6750"})
	}
	if proofs := c.TokenProofs(); len(proofs) > 0 {
		all = append(all, discovery.Scheme{Type: "oauth2", Name: "OAuth 2.0 client credentials",
			Description: "An access token of " + auth.TokenPath + "; the client authenticates by " + strings.Join(proofs, " or "),
			SpecURI:     "https://www.rfc-editor.org/info/rfc6749"})
	}
	if c.Server.TLS.ClientCAFile != "" { // no value of RFC 7643 section 5 means this; section 7 allows others
		all = append(all, discovery.Scheme{Type: "tlsclientcertificate", Name: "TLS client certificate",
			Description: "A certificate at the connection, needed together with one of the others", SpecURI: "https://www.rfc-editor.org/info/rfc8446"})
	}
	return all
}

package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
)

// signed starts to read the keys of the identity providers that sign tokens, until ctx ends.
func (i identities) signed(ctx context.Context) ([]*auth.Signed, error) {
	var out []*auth.Signed
	for _, name := range slices.Sorted(maps.Keys(i.config.IdentityProviders)) {
		c := i.config.IdentityProviders[name].JWT
		if !c.Configured() {
			continue
		}
		s, err := i.signedBy(name, c.WithPreset())
		if err != nil {
			return nil, fmt.Errorf("identity provider %s: jwt: %w", name, err)
		}
		s.Init(ctx)
		out = append(out, s)
	}
	return out, nil
}

// signedBy returns a verifier before it reads keys.
func (i identities) signedBy(idp string, c config.JWT) (*auth.Signed, error) {
	way, err := c.Connection()
	if err != nil {
		return nil, err
	}
	claims := map[string]string{}
	maps.Copy(claims, c.Claims)
	if c.Subject != "" {
		claims["sub"] = c.Subject
	}
	return &auth.Signed{IdP: idp, Issuer: c.Issuer, Audience: c.Audience, JWKSURL: c.JWKSURL, Algorithms: c.Algorithms, Claims: claims, App: c.AppID,
		Transport: way.Transport(), Now: i.now, Failed: func(err error) {
			i.log.Warn("keys of an identity provider are unreadable; the last ones stay valid for a day", "idp", idp, "error", err)
		}}, nil
}

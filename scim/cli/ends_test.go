package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/console"
)

func TestExpiringTokens(t *testing.T) {
	var out bytes.Buffer
	soon(&out, console.Status{IdentityProviders: []console.ProviderStatus{{Name: "okta", Tokens: []console.TokenStatus{{Token: "1a2b3c4d", Expires: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)}}}}}, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	if out.String() != "\nokta: 1a2b3c4d expires on 2026-12-24\n" {
		t.Errorf("%q", out.String())
	}
}

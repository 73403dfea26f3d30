package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/auth"
)

// Both forms of the audience are seen in Entra's assertions.
func TestWithTenant(t *testing.T) {
	got := JWT{Tenant: "11111111-2222-3333-4444-555555555555", AppID: "11111111-2222-3333-4444-666666666666", Subject: "o"}.WithTenant()
	if got.Issuer != "https://login.microsoftonline.com/"+"11111111-2222-3333-4444-555555555555"+"/v2.0" || strings.Join(got.Audience, " ") != "api://"+"11111111-2222-3333-4444-666666666666"+" "+"11111111-2222-3333-4444-666666666666" ||
		got.JWKSURL != "https://login.microsoftonline.com/"+"11111111-2222-3333-4444-555555555555"+"/discovery/v2.0/keys" || got.Claims["tid"] != "11111111-2222-3333-4444-555555555555" {
		t.Errorf("%+v", got)
	}
	if got := (OAuth{}).TokenLifetime(); got != time.Hour || got < auth.MinLifetime || got > auth.MaxLifetime {
		t.Errorf("%v", got)
	}
	for d, want := range map[time.Duration]string{time.Minute: "1m", 6 * time.Hour: "6h", 90 * time.Second: "1m30s", 10 * time.Second: "10s", 100 * time.Minute: "1h40m", 0: "0s"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}

// The preset is what Microsoft says of the token that Entra makes for a job without a secret, with the tenant pinned.
func TestPreset(t *testing.T) {
	const tenant = "11111111-2222-3333-4444-555555555555"
	got := JWT{Preset: "entra", Tenant: tenant}.WithPreset()
	if got.Issuer != "https://sts.windows.net/"+tenant+"/" || !slices.Equal(got.Audience, []string{"8adf8e6e-67b2-4cf2-a259-e3dc5476c621"}) ||
		got.JWKSURL != "https://login.microsoftonline.com/"+tenant+"/discovery/keys" || got.Claims["tid"] != tenant || got.AppID != "00000014-0000-0000-c000-000000000000" {
		t.Errorf("%+v", got)
	}
	if (JWT{Audience: Names{""}}).Configured() {
		t.Error("what is empty counts as configured")
	}
}

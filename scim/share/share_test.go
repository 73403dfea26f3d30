package share

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/scimbridge/scimbridge/scim/message"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(10)
		okta, err := p.Take(t.Context(), "okta", 100) // more than its half
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Take(t.Context(), "okta", 1); !errors.Is(err, message.ErrBusy) {
			t.Errorf("beyond the half of an identity provider: %v", err)
		}
		entra, err := p.Take(t.Context(), "entra", 5)
		if err != nil {
			t.Errorf("the other half: %v", err)
		}
		if _, err := p.Take(t.Context(), "ping", 1); !errors.Is(err, message.ErrBusy) {
			t.Errorf("beyond the pool: %v", err)
		}
		okta()
		if again, err := p.Take(t.Context(), "okta", 5); err != nil {
			t.Errorf("after a release: %v", err)
		} else {
			again()
		}
		entra()
	})
}

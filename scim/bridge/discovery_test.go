package bridge_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// A client reads in ServiceProviderConfig how it can authenticate, one scheme preferred.
func TestServedSchemes(t *testing.T) {
	s := withOAuth(t, newSigner(t))
	s.start()
	var configFile struct {
		AuthenticationSchemes []struct {
			Type    string
			Primary bool
		}
	}
	status, body := s.send(entraToken, "GET", "/ServiceProviderConfig", "")
	if err := json.Unmarshal(body, &configFile); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if got, want := fmt.Sprint(configFile.AuthenticationSchemes), "[{oauthbearertoken true} {httpbasic false} {oauth2 false}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

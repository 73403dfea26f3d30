package auth

import (
	"bytes"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const secret = "a-literal-token-of-some-length"

func TestParse(t *testing.T) {
	for token, want := range map[string]string{
		secret:                               "",
		"sha256:" + strings.Repeat("ab", 32): "",
		"sha256:" + strings.Repeat("ab", 31): "64 hexadecimal digits",
		"sha256:" + strings.Repeat("xy", 32): "64 hexadecimal digits",
		"short":                              "at least 16 characters",
		"":                                   "at least 16 characters",
	} {
		_, err := Parse("okta", token)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", token, err, want)
		}
		if err != nil && token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestIdentify(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var all []Credential
	for idp, token := range map[string]string{"okta": secret, "entra": "another-token-of-some-length"} {
		c, err := Parse(idp, token)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for token, end := range map[string]time.Time{"a-token-that-ended-just-now": now, "a-token-that-ends-in-a-moment": now.Add(time.Nanosecond)} {
		c, err := Parse("okta", token)
		if err != nil {
			t.Fatal(err)
		}
		c.Expires = end
		all = append(all, c)
	}
	for _, end := range []time.Time{{}, now} {
		c, err := Parse("okta", "a-token-that-is-listed-twice")
		if err != nil {
			t.Fatal(err)
		}
		c.Expires = end
		all = append(all, c)
	}
	var used []Identity
	v := Verifier{Credentials: all, Used: func(who Identity) { used = append(used, who) }, Now: func() time.Time { return now }}
	for _, c := range []struct {
		name    string
		headers []string
		idp     string
	}{
		{"bearer", []string{"Bearer " + secret}, "okta"},
		{"the scheme's letter case does not count", []string{"bEARER  " + secret}, "okta"},
		{"bare, as Okta's header application sends it", []string{secret}, "okta"},
		{"the other provider's", []string{"Bearer another-token-of-some-length"}, "entra"},
		{"basic, without a user name", []string{"Basic " + basic("", secret)}, "okta"},
		{"basic, with the provider's name", []string{"basic " + basic("okta", secret)}, "okta"},
		{"basic, with another provider's name", []string{"Basic " + basic("entra", secret)}, ""},
		{"basic, with letters of another case", []string{"Basic " + basic("Okta", secret)}, ""},
		{"basic, the token as the user name", []string{"Basic " + basic(secret, "")}, ""},
		{"basic, not encoded", []string{"Basic okta:" + secret}, ""},
		{"basic, without a colon", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(secret))}, ""},
		{"basic, expired", []string{"Basic " + basic("okta", "a-token-that-ended-just-now")}, ""},
		{"another scheme", []string{"Digest " + secret}, ""},
		{"listed twice, once without an end", []string{"Bearer a-token-that-is-listed-twice"}, "okta"},
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"only the scheme", []string{"Bearer "}, ""},
		{"another letter", []string{"Bearer " + secret + "x"}, ""},
		{"a prefix", []string{"Bearer " + secret[:len(secret)-1]}, ""},
		{"two headers, both good", []string{"Bearer " + secret, "Bearer " + secret}, ""},
		{"the hash is no credential", []string{"Bearer sha256:bf178c068e486db30b287d3b99a875cdeff27f1b74661e096c85aed161f9fa3d"}, ""},
		{"far too long", []string{"Bearer " + strings.Repeat(" ", maxHeader) + secret}, ""},
		{"expired this moment", []string{"Bearer a-token-that-ended-just-now"}, ""},
		{"about to expire", []string{"Bearer a-token-that-ends-in-a-moment"}, "okta"},
	} {
		r := httptest.NewRequest("GET", "/scim/v2/Users?access_token="+secret, nil)
		for _, h := range c.headers {
			r.Header.Add("Authorization", h)
		}
		used = nil
		id, err := v.Identify(r)
		if told := len(used) == 1 && used[0] == id; told != (err == nil) {
			t.Errorf("%s: used %v", c.name, used)
		}
		if id.IdP != c.idp || (err == nil) != (c.idp != "") {
			t.Errorf("%s: %q, %v", c.name, id.IdP, err)
		}
		if strings.Contains(id.Token, secret[:8]) {
			t.Errorf("%s: the identity shows the token", c.name)
		}
	}
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// TestChallenges: Basic is offered only if there is a static token.
func TestChallenges(t *testing.T) {
	if got := (Verifier{Credentials: make([]Credential, 1)}).Challenges(); len(got) != 2 || !strings.HasPrefix(got[0], "Bearer ") || !strings.HasPrefix(got[1], "Basic ") {
		t.Errorf("%q", got)
	}
	if got := (Verifier{}).Challenges(); len(got) != 1 || !strings.HasPrefix(got[0], "Bearer ") {
		t.Errorf("%q", got)
	}
}

func TestNewToken(t *testing.T) {
	random := bytes.NewReader(bytes.Repeat([]byte{7}, 32))
	token, hash, err := NewToken(random)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token, "scb_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc_") || len(token) != len("scb__")+43+8 {
		t.Errorf("%q", token)
	}
	plain, err := Parse("okta", token)
	if err != nil {
		t.Fatal(err)
	}
	hashed, err := Parse("okta", hash)
	if err != nil || plain != hashed {
		t.Errorf("the token and its hash are not the same credential: %v", err)
	}
	if _, _, err := NewToken(random); err == nil {
		t.Error("a token without randomness")
	}
}

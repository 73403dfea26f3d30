package auth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TokenPath is the path of the token endpoint.
const TokenPath = "/oauth/token"

// maxForm limits a request for a token, in bytes.
const maxForm = 16 << 10

// assertionType is the type of a signed assertion by which a client authenticates (RFC 7523 section
// 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// oauthError is an answer of RFC 6749 section 5.2. Its texts are fixed.
type oauthError struct {
	status int
	after  int    // seconds after which to try again; 0: never
	Code   string `json:"error"`
	Detail string `json:"error_description"`
}

func (e *oauthError) Error() string { return e.Detail }

func badRequest(detail string) error {
	return &oauthError{status: http.StatusBadRequest, Code: "invalid_request", Detail: detail}
}

// ServeHTTP answers a request for a token: the grant client_credentials (RFC 6749 section 4.4). The
// client authenticates by its secret, in the header or in the body, or by an assertion. A requested
// scope is ignored: a token is valid for all that the identity provider may do.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, token, err := i.issue(r)
	if err != nil {
		refuse(w, i.toOAuthError(r, err))
		return
	}
	if i.Issued != nil {
		i.Issued(r, client.identity())
	}
	answer(w, http.StatusOK, struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
	}{token, "Bearer", int64(client.Lifetime / time.Second)})
}

// issue authenticates the client and signs a token. The error is an *oauthError, a *Refusal, or a
// fault of the server. It uses up a one-time assertion last, so that a client with a temporary
// error can send the same request again.
func (i *Issuer) issue(r *http.Request) (Client, string, error) {
	if r.Method != http.MethodPost {
		return Client{}, "", &oauthError{status: http.StatusMethodNotAllowed, Code: "invalid_request", Detail: "request a token with POST"}
	}
	form, err := readForm(r)
	if err != nil {
		return Client{}, "", err
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return Client{}, "", &oauthError{status: http.StatusBadRequest, Code: "unsupported_grant_type", Detail: "the only grant is client_credentials"}
	}
	p, err := i.authenticate(r, form)
	if err != nil {
		return Client{}, "", err
	}
	if err := i.admit(r, p.client); err != nil {
		return Client{}, "", err
	}
	token, err := i.sign(r.Context(), p.client)
	if err != nil {
		return Client{}, "", err
	}
	return p.client, token, i.spend(r.Context(), p)
}

// toOAuthError returns the answer to an error of issue. It reports a refusal to Rejected and a
// fault of the server to Failed.
func (i *Issuer) toOAuthError(r *http.Request, err error) *oauthError {
	var known *oauthError
	var why *Refusal
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &why):
		if i.Rejected != nil {
			i.Rejected(r, why)
		}
		return &oauthError{status: http.StatusUnauthorized, Code: "invalid_client", Detail: "unknown client or wrong proof"}
	}
	if i.Failed != nil {
		i.Failed(err)
	}
	return &oauthError{http.StatusServiceUnavailable, 60, "temporarily_unavailable", "no token can be issued now; try again later"}
}

// admit applies the limits of the identity provider to an authenticated client.
func (i *Issuer) admit(r *http.Request, c Client) error {
	if i.Admit == nil {
		return nil
	}
	switch status, after := i.Admit(r, c.identity()); {
	case status == 0:
		return nil
	case after > 0:
		return &oauthError{status, after, "temporarily_unavailable", "too many requests; try again later"}
	default:
		return &oauthError{status: status, Code: "unauthorized_client", Detail: "the client is not admitted from this address, or without its certificate"}
	}
}

// authenticate returns the client of a request. A request with two proofs is invalid (RFC 6749
// section 2.3).
func (i *Issuer) authenticate(r *http.Request, form url.Values) (proof, error) {
	headers := r.Header.Values("Authorization")
	assertion, secret := form.Has("client_assertion") || form.Has("client_assertion_type"), form.Has("client_secret")
	proofs := len(headers)
	for _, shown := range []bool{assertion, secret} {
		if shown {
			proofs++
		}
	}
	switch {
	case proofs > 1:
		return proof{}, badRequest("a client authenticates in one way only")
	case assertion:
		if form.Get("client_assertion_type") != assertionType {
			return proof{}, badRequest("client_assertion_type must be " + assertionType)
		}
		return i.byAssertion(r.Context(), form.Get("client_id"), form.Get("client_assertion"))
	case secret:
		return i.bySecret(form.Get("client_id"), form.Get("client_secret"))
	case len(headers) == 1:
		return i.byHeader(r, form.Get("client_id"))
	}
	return proof{}, &Refusal{Why: "a request for a token without a proof"}
}

// byHeader returns the client of a header of the scheme Basic. Id and secret should be escaped
// there, as in a form; some clients do not escape them.
func (i *Issuer) byHeader(r *http.Request, named string) (proof, error) {
	id, secret, ok := r.BasicAuth()
	if !ok || len(r.Header.Get("Authorization")) > maxHeader {
		return proof{}, &Refusal{Why: "a header that cannot be read"}
	}
	forms := []string{secret}
	if plain, err := url.QueryUnescape(secret); err == nil {
		forms = append(forms, plain)
	}
	if plain, err := url.QueryUnescape(id); err == nil {
		id = plain
	}
	if named != "" && named != id {
		return proof{}, badRequest("client_id differs from that of the header")
	}
	return i.bySecret(id, forms...)
}

// readForm reads the body, in which no name may occur twice (RFC 6749 section 3.2). Parameters in
// the URL are ignored.
func readForm(r *http.Request) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, badRequest("the body must be application/x-www-form-urlencoded")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, badRequest("a compressed body is not accepted")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	switch {
	case err != nil:
		return nil, badRequest("the body ended early")
	case len(body) > maxForm:
		return nil, &oauthError{status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Detail: "the body has more than 16 KiB"}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("the body cannot be read")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, badRequest("a parameter is given twice")
		}
	}
	return form, nil
}

func refuse(w http.ResponseWriter, e *oauthError) {
	if e.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.after))
	}
	if e.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth", charset="UTF-8"`)
	}
	answer(w, e.status, e)
}

// answer writes JSON that must not be cached (RFC 6749 section 5.1).
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // it fails only if the client has gone
}

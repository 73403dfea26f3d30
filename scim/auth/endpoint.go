package auth

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TokenPath is where tokens are asked for.
const TokenPath = "/oauth/token"

// maxForm bounds a request for a token.
const maxForm = 16 << 10

// assertionType says that a client authenticates by a signed assertion (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// oauthError is an answer of RFC 6749 section 5.2. Its texts are fixed.
type oauthError struct {
	status int
	Code   string `json:"error"`
	Detail string `json:"error_description"`
}

func badRequest(detail string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_request", detail}
}

// ServeHTTP answers a request for a token: the grant client_credentials (RFC 6749 section 4.4), of a client that authenticates by its
// secret, in the header or in the body, or by an assertion. A scope may be asked for and has no meaning: a token is good for what the
// identity provider may do.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		i.refuse(w, &oauthError{http.StatusMethodNotAllowed, "invalid_request", "a token is asked for with POST"})
		return
	}
	form, err := readForm(r)
	if err != nil {
		i.refuse(w, err)
		return
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		i.refuse(w, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "the only grant is client_credentials"})
		return
	}
	client, refusal, err := i.authenticate(r, form)
	switch {
	case err != nil:
		i.refuse(w, err)
		return
	case refusal != nil:
		if i.Rejected != nil {
			i.Rejected(r, refusal)
		}
		i.refuse(w, &oauthError{http.StatusUnauthorized, "invalid_client", "the client is not known, or does not prove who it is"})
		return
	}
	if i.Admit != nil {
		if status, after := i.Admit(r, client.identity()); status != 0 {
			i.turnAway(w, status, after)
			return
		}
	}
	token, failure := i.sign(r.Context(), client)
	if failure != nil {
		if i.Failed != nil {
			i.Failed(failure)
		}
		w.Header().Set("Retry-After", "60")
		i.refuse(w, &oauthError{http.StatusServiceUnavailable, "temporarily_unavailable", "no token can be made now; ask again later"})
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

// turnAway answers a client that is not admitted now, or not from there.
func (i *Issuer) turnAway(w http.ResponseWriter, status, after int) {
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(after))
		i.refuse(w, &oauthError{status, "temporarily_unavailable", "too many requests; ask again later"})
		return
	}
	i.refuse(w, &oauthError{status, "unauthorized_client", "the client is not admitted from this address, or without its certificate"})
}

// authenticate finds the client. A request that shows two proofs at once is wrong (RFC 6749 section 2.3).
func (i *Issuer) authenticate(r *http.Request, form url.Values) (Client, *Refusal, *oauthError) {
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
		return Client{}, nil, badRequest("a client authenticates in one way only")
	case assertion:
		if form.Get("client_assertion_type") != assertionType {
			return Client{}, nil, badRequest("client_assertion_type must be " + assertionType)
		}
		client, refusal := i.byAssertion(r.Context(), form.Get("client_id"), form.Get("client_assertion"))
		return client, refusal, nil
	case secret:
		client, refusal := i.bySecret(form.Get("client_id"), form.Get("client_secret"))
		return client, refusal, nil
	case len(headers) == 1:
		return i.byHeader(r, form.Get("client_id"))
	}
	return Client{}, &Refusal{Why: "a request for a token without a proof"}, nil
}

// byHeader finds the client by a header of the scheme Basic. Id and secret should be escaped there, as in a form; not all clients do.
func (i *Issuer) byHeader(r *http.Request, named string) (Client, *Refusal, *oauthError) {
	id, secret, ok := r.BasicAuth()
	if !ok || len(r.Header.Get("Authorization")) > maxHeader {
		return Client{}, &Refusal{Why: "a header that cannot be read"}, nil
	}
	forms := []string{secret}
	if plain, err := url.QueryUnescape(secret); err == nil {
		forms = append(forms, plain)
	}
	if plain, err := url.QueryUnescape(id); err == nil {
		id = plain
	}
	if named != "" && named != id {
		return Client{}, nil, badRequest("client_id is another than that of the header")
	}
	client, refusal := i.bySecret(id, forms...)
	return client, refusal, nil
}

// readForm reads the body, in which no name comes twice (RFC 6749 section 3.2). What stands in the address is not looked at.
func readForm(r *http.Request) (url.Values, *oauthError) {
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
		return nil, &oauthError{http.StatusRequestEntityTooLarge, "invalid_request", "the body has more than 16 KiB"}
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

func (i *Issuer) refuse(w http.ResponseWriter, e *oauthError) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth", charset="UTF-8"`)
	}
	answer(w, e.status, e)
}

// answer writes JSON that nobody keeps (RFC 6749 section 5.1).
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody to tell
}

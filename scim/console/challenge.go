package console

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/scimbridge/scimbridge/scim/auth"
)

// Challenge is the answer of GET /api/challenge: see auth.Challenger.
type Challenge struct {
	Challenge string `json:"challenge"`
	Proof     string `json:"proof"`
}

// challenge proves to a command that the server has the operator's key, before the command signs
// its request with it.
func (c *Console) challenge(w http.ResponseWriter, r *http.Request) {
	if c.Key.IsZero() {
		refuse(w, http.StatusNotFound, "the operator API is closed: the server has no operator's key")
		return
	}
	challenge, proof, err := c.challenger.Challenge(c.Key.Reveal(), r.URL.Query().Get("nonce"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, Challenge{challenge, proof})
}

// errNotSigned is the error of a body that its request does not sign.
var errNotSigned = errors.New("the body differs from the signed one")

// identify returns the operator of a request: by the key itself, as a script or a command on another
// machine sends it, or by a signature with the key next to the store, as local commands do. A
// *auth.Refusal says that the request proves no key; other errors concern the body.
func (c *Console) identify(w http.ResponseWriter, r *http.Request) (auth.Operator, error) {
	local := auth.Operator{Name: auth.Local, Role: auth.Admin, By: auth.ByKeyFile}
	header := r.Header.Get("Authorization")
	if !auth.Signs(header) {
		given, _ := strings.CutPrefix(header, "Bearer ")
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(c.Key.Reveal()))
		if !c.Key.IsZero() && subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
			return local, nil
		}
		return c.operators().Identify(r, c.Now)
	}
	hash, ok := c.challenger.Verify(c.Key.Reveal(), header, r.Method, r.URL.RequestURI())
	if !ok {
		return auth.Operator{}, &auth.Refusal{Why: auth.NoOperator}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProposal))
	if err != nil {
		return local, err
	}
	if auth.BodyHash(body) != hash {
		return local, errNotSigned
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return local, nil
}

// operators returns the configured operators.
func (c *Console) operators() auth.Operators {
	if c.Operators == nil {
		return nil
	}
	return c.Operators()
}

// authenticate serves requests with an operator's key.
func (c *Console) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := c.identify(w, r)
		var why *auth.Refusal
		switch {
		case errors.As(err, &why):
			if c.Rejected != nil {
				c.Rejected(r, why)
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="operators"`)
			refuse(w, http.StatusUnauthorized, "an operator's key is needed: one of `operators` in the configuration that has not expired, or the file next to the store")
		case err != nil:
			refuse(w, http.StatusRequestEntityTooLarge, "the body has more than 1 MiB, or ended early")
		default:
			next.ServeHTTP(w, withOperator(r, who))
		}
	})
}

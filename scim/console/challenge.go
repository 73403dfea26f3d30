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

// isOperator reports whether a request proves the operator's key: by the key itself, as a script
// may send it, or by a signature, as the commands do. An error concerns the body.
func (c *Console) isOperator(w http.ResponseWriter, r *http.Request) (bool, error) {
	header := r.Header.Get("Authorization")
	if !auth.Signs(header) {
		given, _ := strings.CutPrefix(header, "Bearer ")
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(c.Key.Reveal()))
		return !c.Key.IsZero() && subtle.ConstantTimeCompare(a[:], b[:]) == 1, nil
	}
	hash, ok := c.challenger.Verify(c.Key.Reveal(), header, r.Method, r.URL.RequestURI())
	if !ok {
		return false, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProposal))
	if err != nil {
		return true, err
	}
	if auth.BodyHash(body) != hash {
		return false, errNotSigned
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true, nil
}

// authenticate serves requests with the operator's key.
func (c *Console) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch ok, err := c.isOperator(w, r); {
		case !ok:
			if c.Rejected != nil {
				c.Rejected(r)
			}
			refuse(w, http.StatusUnauthorized, "the operator's key is needed: a file next to the store")
		case err != nil:
			refuse(w, http.StatusRequestEntityTooLarge, "the body has more than 1 MiB, or ended early")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

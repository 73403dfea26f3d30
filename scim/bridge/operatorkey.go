package bridge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/console"
)

// asKey is the key that a file holds, if it is one.
func asKey(raw []byte) (key backend.Secret, ok bool) {
	text := strings.TrimSpace(string(raw))
	ok = len(text) >= 32 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	return backend.NewSecret(text), ok
}

// operatorKey reads the key, or makes one. Anyone who can read it can decide about holds.
func operatorKey(path string) (backend.Secret, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		if err := ownersAlone(path); err != nil {
			return backend.Secret{}, err
		}
		if key, ok := asKey(raw); ok {
			return key, nil
		}
		return backend.Secret{}, fmt.Errorf("%s does not hold an operator's key; remove it, and a new one is made", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return backend.Secret{}, fmt.Errorf("reading the operator's key: %w", err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return backend.Secret{}, fmt.Errorf("making the operator's key: %w", err)
	}
	key := base64.RawURLEncoding.EncodeToString(secret)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return backend.Secret{}, fmt.Errorf("making the operator's key: %w", err)
	}
	err = create(path, func(tmp *os.File) error {
		_, err := tmp.WriteString(key + "\n")
		return err
	})
	if errors.Is(err, fs.ErrExist) { // another replica on this machine was faster
		return operatorKey(path)
	}
	if err != nil {
		return backend.Secret{}, fmt.Errorf("making the operator's key: %w", err)
	}
	return backend.NewSecret(key), nil
}

// ownersAlone refuses a key that others than the owner of its file can read or replace.
func ownersAlone(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading the operator's key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s, the operator's key, is open to other users (mode %04o): anyone who can read it may release holds; "+
			"type chmod 600 %s, or, if someone may have read it, remove it, and a new one is made", path, mode, path)
	}
	return nil
}

// proofWithin is how long a server may take to prove that it has the operator's key.
const proofWithin = 30 * time.Second

// sign has the server prove that it has the operator's key, and then signs a request with it. The
// key itself is not sent: another program that listens at the address learns nothing.
func (o *operatorClient) sign(req *http.Request, body []byte) error {
	ctx, cancel := context.WithTimeout(req.Context(), proofWithin)
	defer cancel()
	nonce := auth.Nonce()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+"/api/challenge?"+url.Values{"nonce": {nonce}}.Encode(), nil)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	res, err := o.do(asked)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is of use
	var given console.Challenge
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<10)).Decode(&given)
	header, ok := auth.Answer(o.key.Reveal(), nonce, given.Challenge, given.Proof, req.Method, req.URL.RequestURI(), body)
	if err != nil || res.StatusCode != http.StatusOK || !ok {
		return o.otherKey()
	}
	req.Header.Set("Authorization", header)
	return nil
}

// otherKey is the error of a server without this operator's key.
func (o *operatorClient) otherKey() error {
	return fmt.Errorf("the server at %s does not know the operator's key in %s: it was started with another store or configuration, or made a new key, "+
		"or another program listens there; the key was not sent", o.url, o.keyFile)
}

// do sends a request to the server.
func (o *operatorClient) do(req *http.Request) (*http.Response, error) {
	res, err := o.client.Do(req)
	if err == nil {
		return res, nil
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	var reached *net.OpError
	if !errors.As(err, &reached) || reached.Op != "dial" {
		return nil, fmt.Errorf("the server at %s did not answer: %w; look at its log", o.url, err)
	}
	return nil, fmt.Errorf("no server answers at %s (`console.listen`): %w; start it with `scimbridge serve`", o.url, err)
}

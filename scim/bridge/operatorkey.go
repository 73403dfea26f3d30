package bridge

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
)

// ParseOperatorKey returns the key that a file holds; ok says whether it holds one.
func ParseOperatorKey(raw []byte) (key backend.Secret, ok bool) {
	text := strings.TrimSpace(string(raw))
	ok = len(text) >= 32 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	return backend.NewSecret(text), ok
}

// operatorKey reads the key, or makes one. A process that can read it can decide about holds.
func operatorKey(path string) (backend.Secret, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		if err := ownersAlone(path); err != nil {
			return backend.Secret{}, err
		}
		if key, ok := ParseOperatorKey(raw); ok {
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
	err = CreateFile(path, func(tmp *os.File) error {
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

// ownersAlone refuses a key file that other users than its owner can read or replace.
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

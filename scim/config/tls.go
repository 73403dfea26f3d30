package config

import (
	"crypto/tls"
	"fmt"
	"os"
	"time"
)

// exposures reports what is wrong with the files of the certificate, or will be soon. Files that are
// missing or do not belong together keep the server from starting.
func (c TLS) exposures(now time.Time) (out []exposure) {
	if c.CertFile == "" || c.KeyFile == "" {
		return nil
	}
	at := func(key string) []string { return []string{"server", "tls", key} }
	refuse := func(key, text string) {
		out = append(out, exposure{path: at(key), text: text, refused: true, file: true})
	}
	warn := func(key, format string, args ...any) {
		out = append(out, exposure{path: at(key), text: fmt.Sprintf(format, args...)})
	}
	cert, certErr := ReadAtMost(c.CertFile, MaxSize)
	if certErr != nil {
		refuse("cert_file", certErr.Error())
	}
	key, keyErr := ReadAtMost(c.KeyFile, MaxSize)
	if keyErr != nil {
		refuse("key_file", keyErr.Error())
	}
	if certErr != nil || keyErr != nil {
		return out
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		refuse("cert_file", "cannot be used with key_file: "+err.Error())
		return out
	}
	switch end := pair.Leaf.NotAfter; {
	case end.Before(now):
		warn("cert_file", "the certificate expired on %s: clients refuse the server; renew it", end.UTC().Format(time.DateOnly))
	case end.Sub(now) < expiryWarning:
		warn("cert_file", "the certificate expires on %s; renew it", end.UTC().Format(time.DateOnly))
	case pair.Leaf.NotBefore.After(now):
		warn("cert_file", "the certificate is valid from %s: clients refuse the server until then", pair.Leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if info, err := os.Stat(c.KeyFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		warn("key_file", "every user of this machine can read the key (mode %04o): chmod 600 %s", info.Mode().Perm(), c.KeyFile)
	}
	return out
}

// End returns when the certificate in the file expires; zero: there is none, or it cannot be read.
func (c TLS) End() time.Time {
	if c.CertFile == "" {
		return time.Time{}
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return time.Time{}
	}
	return pair.Leaf.NotAfter
}

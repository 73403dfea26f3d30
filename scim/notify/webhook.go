package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strconv"
	"time"
)

// webhook sends messages as Standard Webhooks describes: signed, with an id that stays over retries.
type webhook struct {
	poster
	key []byte
	now func() time.Time
}

// Send implements Sender.
func (w *webhook) Send(ctx context.Context, m Message) error {
	body, err := m.encoded()
	if err != nil {
		return err
	}
	at := strconv.FormatInt(w.now().Unix(), 10)
	return w.post(ctx, body, map[string]string{
		"webhook-id": m.ID, "webhook-timestamp": at, "webhook-signature": sign(w.key, m.ID, at, body),
	})
}

// sign returns the signature of a message, sent at a moment in seconds.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// isCertificate reports whether TLS refused the other side.
func isCertificate(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.As(err, &refused)
}

package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

const (
	sendTime  = 15 * time.Second // a message may take
	maxAnswer = 64 << 10         // of an answer is read
	maxWait   = time.Hour        // that a receiver may ask for with Retry-After
)

// Sender sends messages to one receiver.
type Sender interface {
	// Send returns nil once the receiver has the message. The error holds no secret, no address and
	// no text of the receiver; as a *Failure it says how long to wait.
	Send(ctx context.Context, m Message) error
}

// Failure is an answer that refuses a message.
type Failure struct {
	Status int           // of HTTP; 0: there was no answer
	After  time.Duration // that the receiver wants the sender to wait; 0: it does not say
	Why    string
}

func (f *Failure) Error() string {
	if f.Status != 0 {
		return fmt.Sprintf("the receiver answered %d", f.Status)
	}
	return f.Why
}

// NewSender returns the sender of a channel without problems.
func NewSender(c Channel, now func() time.Time) (Sender, error) {
	switch c.Kind {
	case KindWebhook:
		key, ok := signingKey(c.Secret)
		if !ok {
			return nil, errors.New("the signing secret cannot be used")
		}
		return &webhook{newPoster(c), key, now}, nil
	case KindSlack:
		return &slack{newPoster(c)}, nil
	case KindEmail:
		return &email{Mail: c.Mail, way: c.Way}, nil
	}
	return nil, fmt.Errorf("%q is no kind of channel", c.Kind)
}

// poster posts messages to a URL that is a secret.
type poster struct {
	url    backend.Secret
	client *http.Client
}

func newPoster(c Channel) poster {
	return poster{c.URL, &http.Client{Transport: c.Way.Transport(), Timeout: sendTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// post sends a body. Only a status of 200 to 299 is a success.
func (p poster) post(ctx context.Context, body []byte, header map[string]string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.Reveal(), bytes.NewReader(body))
	if err != nil {
		return &Failure{Why: "the URL cannot be used"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "scimbridge")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return &Failure{Why: unsent(err)}
	}
	defer func() { _ = res.Body.Close() }() // only read
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		return nil
	}
	f := &Failure{Status: res.StatusCode}
	if n, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 32); err == nil {
		f.After = min(time.Duration(n)*time.Second, maxWait)
	}
	return f
}

// unsent says why there is no answer, in words that repeat nothing of the URL.
func unsent(err error) string {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, backend.ErrAddress):
		return backend.ErrAddress.Error()
	case errors.As(err, &name):
		return "the host name of the receiver is not found"
	case isCertificate(err):
		return "the certificate of the receiver is not trusted; name its authority in ca_file"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the receiver did not answer in time"
	}
	return "the receiver cannot be reached"
}

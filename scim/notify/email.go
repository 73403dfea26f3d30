package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/scimbridge/scimbridge/backend"
)

// submissions is the port on which TLS begins at once.
const submissions = 465

// email sends messages by SMTP: over TLS, except on loopback.
type email struct {
	Mail
	way  backend.Outgoing
	dial mail.DialContextFunc // nil: that of way
}

// Send implements Sender.
func (e *email) Send(ctx context.Context, m Message) error {
	msg, err := e.message(m)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(e.Host, e.options()...)
	if err != nil {
		return &Failure{Why: "the mail server cannot be used"}
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return &Failure{Why: unmailed(err)}
	}
	return nil
}

// options are those of the connection.
func (e *email) options() []mail.Option {
	dial := e.dial
	if dial == nil {
		dial = e.way.Transport().DialContext
	}
	out := []mail.Option{mail.WithPort(cmp.Or(e.Port, DefaultPort)), mail.WithTimeout(sendTime), mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.way.Authorities, ServerName: e.Host}),
		mail.WithDialContextFunc(dial)}
	mechanism := mail.SMTPAuthAutoDiscover
	switch {
	case e.Port == submissions:
		out = append(out, mail.WithSSL())
	case backend.Loopback(e.Host):
		mechanism = mail.SMTPAuthPlainNoEnc
		out = append(out, mail.WithTLSPolicy(mail.TLSOpportunistic))
	}
	if e.Username != "" {
		out = append(out, mail.WithSMTPAuth(mechanism), mail.WithUsername(e.Username), mail.WithPassword(e.Password.Reveal()))
	}
	return out
}

// message returns the e-mail. Its Message-ID is equal in every attempt.
func (e *email) message(m Message) (*mail.Msg, error) {
	msg, d := mail.NewMsg(mail.WithNoDefaultUserAgent()), m.Payload.Data
	if err := errors.Join(msg.From(e.From), msg.To(e.To...)); err != nil {
		return nil, &Failure{Why: "an address of the channel cannot be used"}
	}
	_, domain, _ := strings.Cut(e.From, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(m.Payload.Timestamp)
	msg.Subject("[scimbridge] " + m.Payload.Type + ": " + d.Text)
	text := fmt.Sprintf("%s\n\nNext: %s\n\nCondition: %s\n", d.Text, d.Command, d.Key)
	if !d.Since.IsZero() {
		text += "Since: " + d.Since.Format(time.RFC3339) + "\n"
	}
	msg.SetBodyString(mail.TypeTextPlain, text)
	return msg, nil
}

// unmailed says why a mail was not taken, in words that repeat nothing of the server.
func unmailed(err error) string {
	var refused *mail.SendError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode() != 0:
		return fmt.Sprintf("the mail server answered %d", refused.ErrorCode())
	case strings.Contains(strings.ToLower(err.Error()), "smtp auth"):
		return "the mail server does not accept username and password"
	case strings.Contains(err.Error(), "STARTTLS"):
		return "the mail server does not offer STARTTLS, which is required except on loopback"
	}
	return strings.ReplaceAll(unsent(err), "receiver", "mail server")
}

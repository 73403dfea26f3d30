package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// mailServer speaks as much SMTP as a message needs.
type mailServer struct {
	port int
	tls  *tls.Config // nil: no STARTTLS

	mu     sync.Mutex
	refuse string // the answer to DATA; "": it takes the message
	mails  []string
	auth   []string
}

func newMailServer(t *testing.T, secure *tls.Config) *mailServer {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &mailServer{port: l.Addr().(*net.TCPAddr).Port, tls: secure}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

// got returns what the server took.
func (s *mailServer) got() (mails, auth []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails, s.auth
}

func (s *mailServer) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	say := func(text string) { _, _ = fmt.Fprintf(c, "%s\r\n", text) }
	say("220 mail.example.com")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.mu.Lock()
		refuse := s.refuse
		s.mu.Unlock()
		switch strings.ToUpper(verb) {
		case "EHLO":
			if _, secure := c.(*tls.Conn); s.tls != nil && !secure {
				say("250-mail.example.com\r\n250 STARTTLS")
				continue
			}
			say("250-mail.example.com\r\n250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			c = tls.Server(c, s.tls)
			in = bufio.NewReader(c)
		case "AUTH":
			s.mu.Lock()
			s.auth = append(s.auth, strings.TrimSpace(line))
			s.mu.Unlock()
			say("235 ok")
		case "DATA":
			if refuse != "" {
				say(refuse)
				continue
			}
			say("354 go on")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(line)
			}
			s.mu.Lock()
			s.mails = append(s.mails, text.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func TestEmail(t *testing.T) {
	s := newMailServer(t, nil)
	at := time.Unix(1_700_000_000, 0)
	c := Channel{Name: "mail", Kind: KindEmail, Mail: Mail{Host: "127.0.0.1", Port: s.port, From: "scimbridge@example.com", To: []string{"a@example.com", "b@example.com"},
		Username: "ada", Password: backend.NewSecret("canary-password")}}
	if found := Problems(c); len(found) > 0 {
		t.Fatal(found)
	}
	sender, err := NewSender(c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	m := about(Condition{Type: Blocked, Backend: "vt", Reason: "no_account", Count: 3}, "msg_1_begun", Begun, at, at)
	for range 2 {
		if err := sender.Send(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	mails, auth := s.got()
	for _, text := range mails {
		text = strings.ReplaceAll(text, "\r\n ", " ")
		for _, want := range []string{"Message-ID: <msg_1_begun@example.com>", "Subject: [scimbridge] blocked.begun: 3 user(s) are blocked at vt: no_account", "Next: scimbridge blocked list", "a@example.com", "b@example.com"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	if len(mails) != 2 || len(auth) == 0 {
		t.Errorf("%d mails, %q", len(mails), auth)
	}
	s.mu.Lock()
	s.refuse = "452 canary of the server"
	s.mu.Unlock()
	if err := sender.Send(context.Background(), m); err == nil || err.Error() != "the mail server answered 452" {
		t.Error(err)
	}
}

// TestEmailNeedsTLS: a server beyond loopback that offers no STARTTLS, or whose certificate is not
// trusted, gets neither password nor message.
func TestEmailNeedsTLS(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(certified.Certificate())
	for _, c := range []struct {
		tls     *tls.Config
		trusted *x509.CertPool
		want    string
	}{
		{nil, trusted, "the mail server does not offer STARTTLS, which is required except on loopback"},
		{certified.TLS, nil, "the certificate of the mail server is not trusted; name its authority in ca_file"},
		{certified.TLS, trusted, ""},
	} {
		s := newMailServer(t, c.tls)
		e := &email{Mail: Mail{Host: "example.com", Port: s.port, From: "a@example.com", To: []string{"b@example.com"}, Username: "ada", Password: backend.NewSecret("p")},
			way: backend.Outgoing{Authorities: c.trusted}, dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.port))
			}}
		got := ""
		if err := e.Send(context.Background(), TestMessage("msg_1", time.Now())); err != nil {
			got = err.Error()
		}
		mails, auth := s.got()
		if sent := len(mails) + len(auth); got != c.want || (sent > 0) != (c.want == "") {
			t.Errorf("%q, want %q; %d mails, %q", got, c.want, len(mails), auth)
		}
	}
}

func TestSlack(t *testing.T) {
	var body struct{ Text string }
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&body)
		_, _ = io.WriteString(w, "ok")
	}))
	defer receiver.Close()
	sender, err := NewSender(Channel{Kind: KindSlack, URL: backend.NewSecret(receiver.URL)}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	m := about(Condition{Type: Hold, Backend: "vt", ID: "<!channel>", Reason: "protected", Count: 1}, "msg_1_begun", Begun, time.Now(), time.Now())
	if err := sender.Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if want := "*hold.begun* hold &lt;!channel&gt; at vt: 1 change(s) wait for a decision (protected)\nNext: `scimbridge hold list`"; body.Text != want {
		t.Errorf("%q", body.Text)
	}
}

package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestSignature compares with a signature that the libraries of Standard Webhooks publish.
func TestSignature(t *testing.T) {
	key, ok := signingKey(backend.NewSecret(testSecret))
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; !ok || got != want {
		t.Errorf("%v %s, want %s", ok, got, want)
	}
}

func TestWebhook(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	status, header, moved := http.StatusNoContent, http.Header{}, 0
	var body []byte
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(http.ResponseWriter, *http.Request) { moved++ })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/moved")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Repeat("a secret of the receiver", 10_000))
	})
	receiver := httptest.NewServer(mux)
	defer receiver.Close()
	s, err := NewSender(Channel{Kind: KindWebhook, URL: backend.NewSecret(receiver.URL), Secret: backend.NewSecret(testSecret)}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	m := about(Condition{Type: Hold, Backend: "vt", ID: "h1", Reason: "max_removals", Count: 3}, "msg_1_begun", Begun, at, at)
	if err := s.Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	key, _ := signingKey(backend.NewSecret(testSecret))
	if got, want := header.Get("webhook-signature"), sign(key, "msg_1_begun", "1700000000", body); got != want || header.Get("webhook-id") != "msg_1_begun" || header.Get("webhook-timestamp") != "1700000000" {
		t.Errorf("%v", header)
	}
	var p map[string]any
	if err := json.Unmarshal(body, &p); err != nil || p["type"] != "hold.begun" || p["timestamp"] != "2023-11-14T22:13:20Z" {
		t.Errorf("%v %s", err, body)
	}
	data, _ := p["data"].(map[string]any)
	for key, want := range map[string]any{"condition": "hold/vt//h1/max_removals", "state": "begun", "backend": "vt", "id": "h1", "count": 3.0, "command": "scimbridge hold list"} {
		if data[key] != want {
			t.Errorf("%s is %v, want %v", key, data[key], want)
		}
	}
	for _, status = range []int{http.StatusFound, http.StatusInternalServerError, http.StatusTooManyRequests} {
		err := s.Send(context.Background(), m)
		var f *Failure
		if !errors.As(err, &f) || f.Status != status || f.After != 7*time.Second || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if moved > 0 {
		t.Error("a redirect was followed")
	}
}

// TestFailuresShowNoSecret: the URL is a secret, and the library would repeat it.
func TestFailuresShowNoSecret(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	for url, want := range map[string]string{
		"http://127.0.0.1:1/canary":          "the receiver cannot be reached",
		"https://canary.invalid/canary":      "the host name of the receiver is not found",
		untrusted.URL + "/canary":            "the certificate of the receiver is not trusted",
		"https://169.254.169.254/canary":     "is not called",
		"http://127.0.0.1:port/canary":       "the URL cannot be used",
		"https://hooks.example.com/canary\n": "the URL cannot be used",
	} {
		s, err := NewSender(Channel{Kind: KindWebhook, URL: backend.NewSecret(url), Secret: backend.NewSecret(testSecret)}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Send(context.Background(), TestMessage("msg_1", time.Now()))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

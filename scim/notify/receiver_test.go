package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
)

// receiver takes messages over HTTP, verifies them without code of this package, and keeps a journal
// of what it had to say yes to.
type receiver struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	status  int // of the answers; 0: 204
	journal []string
	seen    map[string]string // id -> what it was about
	again   int               // messages that came before with the same id
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, seen: map[string]string{}}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

// channel returns a channel that leads here.
func (r *receiver) channel(name string, on ...string) Channel {
	return Channel{Name: name, Kind: KindWebhook, URL: backend.NewSecret(r.url), Secret: backend.NewSecret(testSecret), On: on}
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	id, at := req.Header.Get("Webhook-Id"), req.Header.Get("Webhook-Timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(testSecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+at+"."+string(body))
	if req.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		r.t.Error("the signature is wrong")
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
		return
	}
	var p struct {
		Data struct{ Condition, State string }
	}
	if err := json.Unmarshal(body, &p); err != nil {
		r.t.Error(err)
	}
	about := p.Data.Condition + " " + p.Data.State
	before, known := r.seen[id]
	switch {
	case known && before != about:
		r.t.Errorf("%s was about %s and is about %s", id, before, about)
	case known:
		r.again++
	default:
		r.seen[id] = about
		r.journal = append(r.journal, about)
	}
	w.WriteHeader(http.StatusNoContent)
}

// sort sorts the journal.
func (r *receiver) sort() {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.journal)
}

// read returns the journal: what came, each id once.
func (r *receiver) read() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.journal, "\n")
}

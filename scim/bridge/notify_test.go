package bridge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/notify"
)

// hook takes messages and keeps a journal: the id and the subject of each.
type hook struct {
	mu      sync.Mutex
	journal [][2]string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var p notify.Payload
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.journal = append(h.journal, [2]string{"", err.Error()})
	}
	if strings.Contains(string(body), "@") {
		p.Type = "an address left: " + string(body)
	}
	h.journal = append(h.journal, [2]string{r.Header.Get("webhook-id"), p.Type + " " + p.Data.Backend + " " + p.Data.Reason})
	w.WriteHeader(http.StatusNoContent)
}

// subjects lists what the messages are about, each id once.
func (h *hook) subjects() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]bool{}
	for _, m := range h.journal {
		if !seen[m[0]] {
			seen[m[0]] = true
			out = append(out, m[1])
		}
	}
	return out
}

// TestNotifyReplicas: of two replicas one notifies, and the other goes on after it.
func TestNotifyReplicas(t *testing.T) {
	for name, share := range stores {
		t.Run(name, func(t *testing.T) {
			receiver := &hook{}
			s := httptest.NewServer(receiver)
			defer s.Close()
			t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
			all := replicasOf(t, 2)
			share(t, all)
			for _, one := range all {
				one.edit("backends:\n", "notify: [{kind: webhook, url: '"+s.URL+"', secret: env:HOOK_SECRET, on: [hold]}]\nbackends:\n")
				one.edit("batch: {size: 25", "protect: [ada@example.com], batch: {size: 25")
				one.fixConsole()
				one.start()
			}
			first := all[0]
			first.person("ada@example.com")
			ada := first.user("ada@example.com")
			vt, rc := first.group("VT Admins", ada), first.group("risk-approver", ada)
			first.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN, approver"})
			first.patch("/Groups/"+vt, `{"op": "remove", "path": "members"}`)
			until(t, "the first message", func() bool { return len(receiver.subjects()) == 1 })

			leads, follows := all[0], all[1]
			if !leads.bridge.Leads(notify.Lease) {
				leads, follows = follows, leads
			}
			follows.patch("/Groups/"+rc, `{"op": "remove", "path": "members"}`)
			follows.holds("rc", 1)
			leads.stop()
			until(t, "the second message", func() bool { return len(receiver.subjects()) == 2 })
			if got := receiver.subjects(); !slices.Equal(got, []string{"hold.begun vt protected", "hold.begun rc protected"}) {
				t.Errorf("%q", got)
			}
			if pending := follows.metric(`scimbridge_notify_pending{channel="webhook-1"}`); pending != "0" {
				t.Errorf("%s messages wait", pending)
			}
		})
	}
}

// TestNotifyKills: a vendor that refuses the key makes one message, however often the server is killed.
func TestNotifyKills(t *testing.T) {
	receiver := &hook{}
	hooks := httptest.NewServer(receiver)
	defer hooks.Close()
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}, retry: {initial: 50ms, max: 100ms}")
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	s.edit(c.Backends["vt"].URL, refusing.URL)
	s.edit("backends:\n", "notify: [{kind: webhook, url: '"+hooks.URL+"', secret: env:HOOK_SECRET}]\nbackends:\n")
	p := s.launch()
	s.group("VT Admins", s.user("ada@example.com"))
	for range 4 {
		until(t, "the vendor refuses the key", func() bool {
			return s.metric(`scimbridge_backend_calls_total{backend="vt",operation="list_users",outcome="unauthorized"}`) != "absent"
		})
		_ = p.cmd.Process.Kill()
		<-p.ended
		p = s.launch()
	}
	until(t, "a message", func() bool { return len(receiver.subjects()) > 0 })
	if got := receiver.subjects(); !slices.Equal(got, []string{"unauthorized.begun vt "}) {
		t.Errorf("%q", got)
	}
}

package console

import (
	"net/http"
	"sync"
	"time"
)

// minutes is for how long the traffic of an identity provider is recorded.
const minutes = 60

// Traffic counts the requests of each identity provider within the last hour, since the start. The
// zero value is ready; its methods may be called concurrently.
type Traffic struct {
	mu  sync.Mutex
	idp map[string]*flow
}

type flow struct {
	last   time.Time
	counts [minutes]struct{ minute, requests, failed int64 }
}

// failed reports whether an answer indicates a fault on either side. A resource that is missing,
// exists or has changed is ordinary for a SCIM client.
func failed(code int) bool {
	switch code {
	case http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed:
		return false
	}
	return code >= 400
}

// Note counts an answer. A request without a valid credential has no identity provider.
func (t *Traffic) Note(idp string, code int, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idp == nil {
		t.idp = map[string]*flow{}
	}
	f := t.idp[idp]
	if f == nil {
		f = &flow{}
		t.idp[idp] = f
	}
	f.last = at.UTC()
	minute := at.Unix() / 60
	c := &f.counts[minute%minutes]
	if c.minute != minute {
		c.minute, c.requests, c.failed = minute, 0, 0
	}
	c.requests++
	if failed(code) {
		c.failed++
	}
}

// lastHour returns the last request of an identity provider, and how many of the last hour failed.
func (t *Traffic) lastHour(idp string, now time.Time) (last time.Time, requests, failed int64) {
	if t == nil {
		return time.Time{}, 0, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.idp[idp]
	if f == nil {
		return time.Time{}, 0, 0
	}
	for _, c := range f.counts {
		if now.Unix()/60-c.minute < minutes {
			requests, failed = requests+c.requests, failed+c.failed
		}
	}
	return f.last, requests, failed
}

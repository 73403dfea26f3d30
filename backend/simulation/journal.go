package simulation

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// Call is a request that changed something, or tried to.
type Call struct {
	Method, Path string
	Body         json.RawMessage
	Status       int
}

// Fault is what happens to the next call that changes something.
type Fault struct {
	Status     int
	Code       string // where the vendor's errors have one
	RetryAfter string
	HTML       bool // the answer is a page instead of JSON
	Apply      bool // the call takes effect all the same
	Drop       bool // the connection is cut instead of an answer
}

// Journal records the calls that change something, and makes them fail. The zero value is ready.
type Journal struct {
	mu     sync.Mutex
	faults []Fault
	calls  []Call
}

// Fail makes the next changes fail.
func (j *Journal) Fail(faults ...Fault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, faults...)
}

// Calls returns the calls that changed something, or tried to.
func (j *Journal) Calls() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

// Record adds a call that no fault can meet.
func (j *Journal) Record(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, c)
}

// Change is one request that changes something.
type Change struct {
	Body   json.RawMessage
	Find   func(w http.ResponseWriter) bool // answers and returns false if the target does not exist
	Apply  func(w http.ResponseWriter)
	Refuse func(w http.ResponseWriter, status int, code string) // answers as the vendor refuses
}

// Change records a request and applies it, or lets it meet the next fault.
func (j *Journal) Change(w http.ResponseWriter, r *http.Request, c Change) {
	rec := &recorder{ResponseWriter: w}
	defer func() { j.Record(Call{r.Method, r.URL.Path, c.Body, rec.status}) }()
	if !c.Find(rec) {
		return
	}
	f, failing := j.next()
	if !failing {
		c.Apply(rec)
		return
	}
	if f.Apply {
		c.Apply(discard{})
	}
	f.answer(rec, c.Refuse)
}

func (j *Journal) next() (f Fault, failing bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.faults) == 0 {
		return f, false
	}
	f, j.faults = j.faults[0], j.faults[1:]
	return f, true
}

func (f Fault) answer(w http.ResponseWriter, refuse func(http.ResponseWriter, int, string)) {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.HTML {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte("<html>SECRET-body</html>")) // the client may be gone
		return
	}
	refuse(w, f.Status, f.Code)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// discard drops an answer.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

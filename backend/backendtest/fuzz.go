package backendtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// Vendor is a vendor without a network: a transport that a test answers.
type Vendor struct {
	Answer func(r *http.Request) (status int, header http.Header, body string)
	Calls  int
}

// RoundTrip implements http.RoundTripper.
func (v *Vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	v.Calls++
	status, header, body := v.Answer(r)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Status makes a status of any number; a real status stays.
func Status(n uint16) int {
	if n >= 200 && n < 600 {
		return int(n)
	}
	return 200 + int(n)%400
}

// mostCalls is the largest number of requests of a fuzzed call: the vendor repeats two answers.
const mostCalls = 12

// errorForm is the form of every error: our own words, a status and a code of the vendor.
var errorForm = regexp.MustCompile(`^[a-z ]+: (transient|throttled|unauthorized|rejected|missing)( \(status \d+( [A-Za-z_]{1,64})?\))?(: [a-zA-Z0-9 ]+)?$`)

// Try makes one of the calls of a client whose vendor is v, and checks what must hold for any answers.
// clean reports whether the answers that were given allow a change, an invitation or an off-boarding to
// succeed.
func Try(t *testing.T, b backend.Backend, v *Vendor, call byte, clean func(what string) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a := backend.Account{ID: "a1", Key: "a@example.com", Status: "Active"}
	var err error
	var what string
	switch call % 6 {
	case 0:
		var found map[string]backend.Account
		what = "resolve"
		if found, err = b.Resolve(ctx, "t1", []string{"a@example.com"}); errors.Is(err, backend.ErrPartial) {
			err = nil // the accounts are right
		}
		for key, f := range found {
			if key == "" || f.Key != key || backend.Fold(key) != key || f.ID == "" {
				t.Errorf("found %q: %+v", key, f)
			}
		}
	case 1:
		var o backend.Observation
		what = "observe"
		o, err = b.Observe(ctx, "t1")
		observed(t, o, err)
	case 2, 3:
		what = "apply"
		d := backend.Delta{Target: "t1", Changes: []backend.Change{{Account: a, Op: backend.Add, Roles: []string{"USER_ROLE_X"}, Recent: true}}}
		if call%6 == 3 {
			d.Changes[0].Op = backend.Remove
		}
		var out []backend.Outcome
		out, err = b.Apply(ctx, d)
		if err == nil && (len(out) != 1 || out[0] == 0) {
			t.Errorf("%d outcomes of one change", len(out))
		}
	case 4:
		what = "invite"
		err = b.Invite(ctx, "t1", "a@example.com")
	case 5:
		what = "offboard"
		err = b.Offboard(ctx, "t1", a)
	}
	var e *backend.Error
	switch {
	case err == nil && !clean(what):
		t.Errorf("%s is taken for done", what)
	case err == nil:
	case !errors.As(err, &e):
		t.Errorf("%s: not a *backend.Error: %v", what, err)
	case !errorForm.MatchString(e.Error()):
		t.Errorf("%s: the error says more than it may: %q", what, e.Error())
	}
	if v.Calls > mostCalls {
		t.Errorf("%s took %d calls", what, v.Calls)
	}
}

// observed checks an observation: a complete one names accounts, and every account and role has an id.
func observed(t *testing.T, o backend.Observation, err error) {
	if o.Complete && (err != nil && len(o.Members) == 0 || len(o.Members) == 0) {
		t.Errorf("complete, without accounts: %+v, %v", o, err)
	}
	_, member := o.Members[""]
	if _, holds := o.Holders[""]; member || holds {
		t.Errorf("an account without an id: %+v", o)
	}
	for id, roles := range o.Holders {
		for _, r := range roles {
			if r == "" {
				t.Errorf("%q has a role without a name", id)
			}
		}
	}
}

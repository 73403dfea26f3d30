package virustotal_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/backendtest"
	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/backend/virustotal"
)

// answering returns a client of a vendor with one answer for each call; it repeats the last one.
func answering(t *testing.T, bodies ...string) backend.Backend {
	t.Helper()
	v := &backendtest.Vendor{}
	v.Answer = func(*http.Request) (int, http.Header, string) {
		return 200, http.Header{}, bodies[min(v.Calls, len(bodies))-1]
	}
	return client(t, v)
}

func client(t *testing.T, v *backendtest.Vendor) backend.Backend {
	t.Helper()
	c, err := virustotal.New(virustotal.Config{Caller: backend.Caller{URL: "https://vendor.example/api/v3", Transport: v}, APIKey: backend.NewSecret(backendtest.Secret)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An incomplete listing does not prove that an account has no role.
func TestIncompleteListing(t *testing.T) {
	const b2 = `{"type":"user","id":"b2","context_attributes":{"roles":["R"]}}`
	for name, bodies := range map[string][]string{
		"a next page without a cursor": {`{"data":[` + b2 + `],"links":{"next":"https://vendor.example/api/v3/x?offset=40"}}`},
		"fewer than it counts":         {`{"data":[` + b2 + `],"meta":{"count":2}}`},
		"it shrank between two pages": {`{"data":[` + b2 + `],"meta":{"count":3,"cursor":"x"}}`,
			`{"data":[{"type":"user","id":"c3"}],"meta":{"count":2}}`},
		"one twice in place of another": {`{"data":[` + b2 + `,{"type":"user","id":"c3"}],"meta":{"count":3,"cursor":"x"}}`,
			`{"data":[{"type":"user","id":"c3"}],"meta":{"count":3}}`},
		"a hidden account":              {`{"data":[` + b2 + `,{"error":{"code":"ForbiddenError"},"id":"a1","type":"user"}]}`},
		"an error besides the accounts": {`{"data":[` + b2 + `],"error":{"code":"TransientError"}}`},
	} {
		o, _ := answering(t, bodies...).Observe(t.Context(), "t1") // an error is an answer, too
		if has, known := o.Has("a1", "R"); has || known || o.Complete {
			t.Errorf("%s: %v, %v, complete: %v", name, has, known, o.Complete)
		}
	}
	for name, body := range map[string]string{
		"counts all":                     `{"data":[` + b2 + `],"meta":{"count":1},"links":{"next":null}}`,
		"counts those of a page":         `{"data":[` + b2 + `],"meta":{"count":1,"cursor":""}}`,
		"counts in another way":          `{"data":[` + b2 + `],"meta":{"count":"one"}}`,
		"an account that does not exist": `{"data":[` + b2 + `,{"error":{"code":"NotFoundError"},"id":"a1","type":"user"}],"meta":{"count":2}}`,
	} {
		o, err := answering(t, body).Observe(t.Context(), "t1")
		if has, known := o.Has("a1", "R"); err != nil || has || !known {
			t.Errorf("%s: %v, %v, %v", name, has, known, err)
		}
	}
}

// A success that refuses one of its entries is a failure of the batch, which is then halved.
func TestSuccessWithARefusedEntry(t *testing.T) {
	c := answering(t, `{"data":[{"type":"user","id":"b2"},{"type":"user","id":"a1","error":{"code":"NotFoundError","message":"SECRET"}}]}`)
	_, err := c.Apply(t.Context(), backend.Delta{Target: "t1", Changes: []backend.Change{
		{Account: backend.Account{ID: "b2"}, Op: backend.Remove, Roles: []string{"R"}}, {Account: backend.Account{ID: "a1"}, Op: backend.Remove, Roles: []string{"R"}}}})
	var e *backend.Error
	if !errors.As(err, &e) || e.Kind != backend.Rejected || e.Code != "NotFoundError" || e.Unsent {
		t.Errorf("%v", err)
	}
}

// A success may also list other accounts, which do not exist any more. Only an entry of an account of the
// call can refuse, and a transient code refuses nothing.
func TestEntriesOfASuccess(t *testing.T) {
	const fine = `{"type":"user","id":"b2"}`
	entry := func(id, code string) string {
		return `{"type":"user","id":"` + id + `","error":{"code":"` + code + `"}}`
	}
	for name, c := range map[string]struct {
		entries string
		kind    backend.ErrorKind // 0: done
		code    string
	}{
		"one of them":                        {fine + `,` + entry("a1", "InvalidArgumentError"), backend.Rejected, "InvalidArgumentError"},
		"one without a name":                 {fine + `,` + entry("", "InvalidArgumentError"), backend.Rejected, "InvalidArgumentError"},
		"another account":                    {fine + `,` + entry("ghost", "NotFoundError"), 0, ""},
		"another account, transient":         {fine + `,` + entry("ghost", "TransientError"), 0, ""},
		"another account before one of them": {entry("ghost", "NotFoundError") + `,` + entry("a1", "ForbiddenError"), backend.Rejected, "ForbiddenError"},
		"transient":                          {fine + `,` + entry("a1", "TransientError"), backend.Transient, "TransientError"},
		"too many":                           {fine + `,` + entry("a1", "TooManyRequestsError"), backend.Transient, "TooManyRequestsError"},
		"no quota":                           {fine + `,` + entry("a1", "QuotaExceededError"), backend.Transient, "QuotaExceededError"},
		"too late":                           {fine + `,` + entry("a1", "DeadlineExceededError"), backend.Transient, "DeadlineExceededError"},
		"one refused, one unknown":           {entry("b2", "NotFoundError") + `,` + entry("a1", "DeadlineExceededError"), backend.Transient, "DeadlineExceededError"},
	} {
		_, err := answering(t, `{"data":[`+c.entries+`]}`).Apply(t.Context(), backend.Delta{Target: "t1", Changes: []backend.Change{
			{Account: backend.Account{ID: "b2"}, Op: backend.Add, Roles: []string{"R"}}, {Account: backend.Account{ID: "a1"}, Op: backend.Add, Roles: []string{"R"}}}})
		says(t, name, err, c.kind, c.code)
	}
}

// says checks the kind and the code of an error; 0 is no error. The call was sent, and may have taken effect.
func says(t *testing.T, name string, err error, kind backend.ErrorKind, code string) {
	t.Helper()
	var e *backend.Error
	switch errors.As(err, &e); {
	case kind == 0 && err != nil:
		t.Errorf("%s: %v, want none", name, err)
	case kind != 0 && (e == nil || e.Kind != kind || e.Code != code || e.Unsent):
		t.Errorf("%s: %+v, want %v %s", name, err, kind, code)
	}
}

// A success may refuse the invitation in its entry.
func TestSuccessWithARefusedInvitation(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		kind backend.ErrorKind
		code string
	}{
		"done":                    {`{"data":[{"type":"user","id":"a@example.com"}]}`, 0, ""},
		"refused":                 {`{"data":[{"type":"user","id":"A@example.com","error":{"code":"InvalidArgumentError","message":"SECRET"}}]}`, backend.Rejected, "InvalidArgumentError"},
		"refused without a name":  {`{"data":[{"error":{"code":"ForbiddenError"}}]}`, backend.Rejected, "ForbiddenError"},
		"another account refused": {`{"data":[{"type":"user","id":"ghost","error":{"code":"NotFoundError"}}]}`, 0, ""},
		"a member already":        {`{"data":[{"type":"user","id":"a@example.com","error":{"code":"AlreadyExistsError"}}]}`, 0, ""},
		"unknown":                 {`{"data":[{"type":"user","id":"a@example.com","error":{"code":"TransientError"}}]}`, backend.Transient, "TransientError"},
	} {
		says(t, name, answering(t, c.body).Invite(t.Context(), "t1", "a@example.com"), c.kind, c.code)
	}
}

// An incomplete list of administrators shows the role, and does not prove that an account is none.
func TestIncompleteAdministrators(t *testing.T) {
	const a1 = `{"type":"user","id":"a1"}`
	for name, c := range map[string]struct {
		admins          string
		shows, complete bool
	}{
		"all":                    {`{"data":[` + a1 + `],"meta":{"count":1}}`, true, true},
		"one hidden":             {`{"data":[` + a1 + `,{"type":"user","id":"b2","error":{"code":"ForbiddenError"}}]}`, true, false},
		"more are counted":       {`{"data":[` + a1 + `],"meta":{"count":2}}`, true, false},
		"the only one is hidden": {`{"data":[{"type":"user","id":"b2","error":{"code":"ForbiddenError"}}]}`, true, false},
		"counted and none shown": {`{"data":[],"meta":{"count":2}}`, true, false},
		"none at all":            {`{"data":[]}`, false, true},
	} {
		v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
			if strings.HasSuffix(r.URL.Path, "/administrators") {
				return 200, http.Header{}, c.admins
			}
			return 200, http.Header{}, `{"data":[` + a1 + `,{"type":"user","id":"b2"}]}`
		}}
		o, err := client(t, v).Observe(t.Context(), "t1")
		if err != nil || o.Shows("USER_ROLE_GROUP_ADMIN") != c.shows || (o.Complete && !o.Partial) != c.complete {
			t.Errorf("%s: shows %v, complete %v, %v", name, o.Shows("USER_ROLE_GROUP_ADMIN"), o.Complete, err)
		}
	}
}

// An incomplete user list gives the accounts that it has, and ErrPartial.
func TestResolveFromAnIncompleteList(t *testing.T) {
	const a1 = `{"type":"user","id":"a1","attributes":{"email":"a@example.com"}}`
	for body, whole := range map[string]bool{
		`{"data":[` + a1 + `],"meta":{"count":1}}`:                                          true,
		`{"data":[` + a1 + `],"meta":{"count":2}}`:                                          false,
		`{"data":[` + a1 + `,{"type":"user","id":"b2","error":{"code":"ForbiddenError"}}]}`: false,
		`{"data":[` + a1 + `,{"type":"user","id":"b2","error":{"code":"NotFoundError"}}]}`:  true,
	} {
		found, err := answering(t, body).Resolve(t.Context(), "t1", nil)
		if errors.Is(err, backend.ErrPartial) == whole || err != nil && whole || found["a@example.com"].ID != "a1" {
			t.Errorf("%s: %v, %v", body, found, err)
		}
	}
}

// The user list may hide an account that the list of roles shows.
func TestExamineReportsHiddenAccounts(t *testing.T) {
	const a1 = `{"type":"user","id":"a1","attributes":{"email":"a@example.com"}}`
	for people, want := range map[string]int{
		a1: 0, a1 + `,{"type":"user","id":"b2","error":{"code":"ForbiddenError"}}`: 1, a1 + `,{"type":"user","id":"b2","error":{"code":"NotFoundError"}}`: 0,
	} {
		v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
			if strings.Contains(r.URL.Path, "/relationships/") {
				return 200, http.Header{}, `{"data":[` + a1 + `,{"type":"user","id":"b2"}]}`
			}
			return 200, http.Header{}, `{"data":[` + people + `]}`
		}}
		reported := 0
		for _, f := range client(t, v).(examine.Examiner).Examine(t.Context(), []string{"t1"}) {
			if strings.Contains(f.What, "more users than it shows") {
				reported++
			}
		}
		if reported != want {
			t.Errorf("%s: reported %d times, want %d", people, reported, want)
		}
	}
}

// Examine reports an incomplete listing.
func TestExamineReportsAnIncompleteListing(t *testing.T) {
	const a1 = `{"type":"user","id":"a1","attributes":{"email":"a@example.com"},"context_attributes":{"roles":["R"]}}`
	for body, partial := range map[string]bool{
		`{"data":[` + a1 + `],"meta":{"count":1}}`:                               false,
		`{"data":[` + a1 + `],"meta":{"count":2}}`:                               true,
		`{"data":[],"meta":{"count":0}}`:                                         false,
		`{"data":[],"meta":{"count":2}}`:                                         true,
		`{"data":[{"type":"user","id":"a1","error":{"code":"ForbiddenError"}}]}`: true,
	} {
		found := answering(t, body).(examine.Examiner).Examine(t.Context(), []string{"t1"})
		reported := slices.ContainsFunc(found, func(f examine.Finding) bool {
			return f.Level == examine.Note && f.Target == "t1" && strings.Contains(f.What, "more users than it shows") && f.Remedy != ""
		})
		if reported != partial {
			t.Errorf("%s: %+v", body, found)
		}
	}
}

// A role may be shown with a display name besides its own name.
func TestRoleWithADisplayName(t *testing.T) {
	for _, role := range []string{`{"role":"USER_ROLE_R","name":"Reader"}`, `{"id":"USER_ROLE_R","name":"Reader"}`, `{"id":"7","name":"USER_ROLE_R"}`, `{"name":"USER_ROLE_R"}`} {
		o, err := answering(t, `{"data":[{"type":"user","id":"a1","context_attributes":{"roles":[`+role+`]}}]}`).Observe(t.Context(), "t1")
		if has, known := o.Has("a1", "USER_ROLE_R"); err != nil || !has || !known {
			t.Errorf("%s: %+v, %v", role, o, err)
		}
	}
}

// Of two accounts with one address the choice does not depend on their order.
func TestAddressOfTwoAccounts(t *testing.T) {
	const one, two = `{"type":"user","id":"a1","attributes":{"email":"a@example.com"}}`, `{"type":"user","id":"b2","attributes":{"email":"A@Example.com"}}`
	for _, body := range []string{`{"data":[` + one + `,` + two + `]}`, `{"data":[` + two + `,` + one + `]}`} {
		found, err := answering(t, body).Resolve(t.Context(), "t1", nil)
		if err != nil || found["a@example.com"].ID != "a1" {
			t.Errorf("%v, %v", found, err)
		}
	}
}

// A tenant that hides its administrators shows the members all the same.
func TestHiddenAdministrators(t *testing.T) {
	for _, status := range []int{400, 403, 404, 405} {
		v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
			if strings.HasSuffix(r.URL.Path, "/administrators") {
				return status, http.Header{}, `{"error":{"code":"ForbiddenError"}}`
			}
			return 200, http.Header{}, `{"data":[{"type":"user","id":"a1"}]}`
		}}
		o, err := client(t, v).Observe(t.Context(), "t1")
		if _, known := o.Has("a1", "USER_ROLE_GROUP_ADMIN"); err != nil || !o.Complete || known {
			t.Errorf("%d: %+v, %v", status, o, err)
		}
	}
}

// An error of null is no error.
func TestNullError(t *testing.T) {
	if _, err := answering(t, `{"data":null,"error":null}`).Apply(t.Context(), backend.Delta{Target: "t1", Changes: []backend.Change{
		{Account: backend.Account{ID: "a1"}, Op: backend.Add, Roles: []string{"USER_ROLE_R"}}}}); err != nil {
		t.Error(err)
	}
}

// A used-up daily quota pauses the backend until the day is over. Just after midnight the vendor's day
// may not have begun: a pause would cost another day because clocks differ by seconds.
func TestDailyQuota(t *testing.T) {
	midnight := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]time.Time{
		midnight.Add(-time.Second):                                   midnight,
		midnight.Add(-time.Hour).In(time.FixedZone("", 9*3600)):      midnight,
		midnight.Add(time.Second):                                    {},
		midnight.Add(6 * time.Hour).In(time.FixedZone("", -8*60*60)): midnight.Add(24 * time.Hour),
	} {
		v := &backendtest.Vendor{Answer: func(*http.Request) (int, http.Header, string) {
			return 429, http.Header{}, `{"error":{"code":"QuotaExceededError"}}`
		}}
		c, err := virustotal.New(virustotal.Config{Caller: backend.Caller{URL: "https://vendor.example/api/v3", Transport: v, Now: func() time.Time { return at }}, APIKey: backend.NewSecret(backendtest.Secret)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Resolve(t.Context(), "t1", nil)
		var e *backend.Error
		if !errors.As(err, &e) || e.Kind != backend.Throttled || !e.Until.Equal(want) {
			t.Errorf("at %v: %+v, want until %v", at, err, want)
		}
	}
}

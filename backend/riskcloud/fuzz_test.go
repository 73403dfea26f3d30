package riskcloud_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/backendtest"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
)

// FuzzAnswers makes each call to a vendor with any answers, of any status, to requests of tokens, users,
// roles and changes. No failure passes for a success, and no item without an id for an account.
func FuzzAnswers(f *testing.F) {
	const (
		token = `{"access_token":"SECRET-token"}`
		users = `[{"status":"Active","id":"a1","email":"A@example.com","status":"Active","roleIds":["t1"]}]`
		roles = `[{"id":"t1","name":"Role","users":[],"userCount":0}]`
		done  = `{"id":"t1","name":"Role","users":[],"userCount":1}`
	)
	for call := range byte(6) {
		f.Add(call, byte(0), uint16(200), token, users, roles, done)
		for which := range byte(4) {
			f.Add(call, which, uint16(401), token, users, roles, done)
		}
		for _, odd := range []string{``, `null`, `{}`, `<html>`, `[null]`, `[{}]`, `{"id":"t2"}`, `{"id":"t1","name":"Other"}`, `{"error":"x"}`, `{"id":"t1","error":null}`, `{"access_token":"a\nb"}`} {
			f.Add(call, byte(0), uint16(200), odd, users, roles, done)
			f.Add(call, byte(0), uint16(200), token, odd, roles, done)
			f.Add(call, byte(0), uint16(200), token, users, odd, done)
			f.Add(call, byte(0), uint16(200), token, users, roles, odd)
		}
		f.Add(call, byte(0), uint16(200), token, `{"content":`+users+`,"number":0,"last":false}`, roles, done)
		f.Add(call, byte(0), uint16(200), token, `{"content":`+users+`,"last":false}`, roles, done)
		f.Add(call, byte(0), uint16(200), token, users, `[{"id":"t1","users":[null,{"id":"a1"},{"id":"a1"}],"userCount":3,"moduleEntitlements":[{"x":"ADMIN_ALL"}]}]`, done)
		f.Add(call, byte(0), uint16(200), token, users, `[{"id":"t1","users":[{"id":"a1"},{"id":"a1"}],"userCount":2}]`, done)
	}
	f.Fuzz(func(t *testing.T, call, which byte, status uint16, token, users, roles, done string) {
		lastStatus, changed := 0, false
		v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
			kind, body := byte(3), done
			switch {
			case strings.HasSuffix(r.URL.Path, "/token"):
				kind, body = 0, token
			case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/users"):
				kind, body = 1, users
			case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/roles"):
				kind, body = 2, roles
			}
			changed = kind == 3
			lastStatus = 200
			if which%4 == kind {
				lastStatus = backendtest.Status(status)
			}
			return lastStatus, http.Header{}, body
		}}
		c, err := riskcloud.New(riskcloud.Config{Caller: backend.Caller{URL: "https://vendor.example", Transport: v}, ClientID: backend.NewSecret("id"), ClientSecret: backend.NewSecret(backendtest.Secret)})
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Try(t, c, v, call, func(what string) bool {
			var answer map[string]json.RawMessage
			object := json.Unmarshal([]byte(done), &answer) == nil && answer != nil
			failed := answer["error"] != nil && string(answer["error"]) != "null"
			success := lastStatus < 300 && (object && !failed || strings.TrimSpace(done) == "")
			switch what {
			case "apply":
				var r struct{ ID string }
				return lastStatus < 300 && changed && json.Unmarshal([]byte(done), &r) == nil && r.ID == "t1"
			case "offboard": // also if a listing proves that the account is gone
				return success || !changed && lastStatus < 300
			case "invite":
				return success
			}
			return lastStatus < 300
		})
	})
}

// A list with an unknown form does not prove that an account is missing or has no role.
func TestUnknownFormProvesNothing(t *testing.T) {
	const (
		users = `[{"status":"Active","id":"b2","email":"b@example.com"},{"status":"Active","id":"a1","email":"a@example.com"}]`
		roles = `[{"id":"t1","name":"Role","users":[],"userCount":0}]`
	)
	for name, vendor := range map[string][2]string{
		"users without ids":         {`[{},{}]`, roles},
		"null in place of a user":   {`[null,{"status":"Active","id":"b2","email":"b@example.com"}]`, roles},
		"the same page twice":       {`{"content":[{"id":"b2"}],"number":0,"last":false,"totalPages":2}`, roles},
		"one user counted twice":    {users, `[{"id":"t1","users":[{"id":"b2"},{"id":"b2"}],"userCount":2}]`},
		"null in place of a holder": {users, `[{"id":"t1","users":[{"id":"b2"},null],"userCount":2}]`},
	} {
		v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/token"):
				return 200, http.Header{}, `{"access_token":"SECRET-token"}`
			case strings.HasSuffix(r.URL.Path, "/users"):
				return 200, http.Header{}, vendor[0]
			}
			return 200, http.Header{}, vendor[1]
		}}
		c, err := riskcloud.New(riskcloud.Config{Caller: backend.Caller{URL: "https://vendor.example", Transport: v}, ClientID: backend.NewSecret("id"), ClientSecret: backend.NewSecret(backendtest.Secret)})
		if err != nil {
			t.Fatal(err)
		}
		o, _ := c.Observe(t.Context(), "t1") // an error is an answer, too
		if has, known := o.Has("a1", riskcloud.Member); has || known {
			t.Errorf("%s: %v, %v", name, has, known)
		}
	}
}

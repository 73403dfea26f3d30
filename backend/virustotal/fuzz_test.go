package virustotal_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/backendtest"
	"github.com/scimbridge/scimbridge/backend/virustotal"
)

// FuzzAnswers makes each call to a vendor that answers one thing, then another, then the first again,
// with any status. No failure passes for a success, no item without an id for an account, and no listing
// goes in circles.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{}`, ``, `null`, `[]`, `<html>`, `{"data":[]}`, `{"error":{"code":"NotFoundError","message":"m"}}`, `{"data":[null]}`, `{"error":null}`, `{"data":[{}]}`,
		`{"data":[{"type":"user","id":"a1","attributes":{"email":"A@example.com"}}],"meta":{"cursor":"x"},"links":{"next":"https://h/x?cursor=y"}}`,
		`{"data":[{"type":"user","id":"a1","context_attributes":{"roles":["R",{"role":"S","granted":false},{"name":"T"}]}}]}`,
		`{"data":[{"type":"user","id":"a1","context_attributes":{"roles":{"R":true,"S":null}}},{"id":"b","error":{"code":"NotFoundError"}}]}`,
		`{"data":[{"type":"user","id":"a1","context_attributes":{"roles":[5]}}],"meta":{"cursor":"x"}}`,
		`{"data":[],"links":{"next":"%zz?cursor=q"},"meta":{"cursor":"` + strings.Repeat("c", 300) + `"}}`,
	} {
		for call := range byte(6) {
			f.Add(call, uint16(200), uint16(200), "", body, `{"data":[{"type":"user","id":"b2","attributes":{"email":"b@example.com"}}],"meta":{"cursor":"z"}}`)
			f.Add(call, uint16(404), uint16(200), "120", body, `{"data":[{"type":"user","id":"b2"}]}`)
			f.Add(call, uint16(301), uint16(429), "https://other.example/", body, body)
		}
	}
	f.Fuzz(func(t *testing.T, call byte, status1, status2 uint16, header, body1, body2 string) {
		var last struct {
			status int
			body   string
		}
		v := &backendtest.Vendor{}
		v.Answer = func(*http.Request) (int, http.Header, string) {
			last.status, last.body = backendtest.Status(status1), body1
			if v.Calls%2 == 0 {
				last.status, last.body = backendtest.Status(status2), body2
			}
			return last.status, http.Header{"Location": {header}, "Retry-After": {header}}, last.body
		}
		c, err := virustotal.New(virustotal.Config{Caller: backend.Caller{URL: "https://vendor.example/api/v3", Transport: v}, APIKey: backend.NewSecret(backendtest.Secret)})
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Try(t, c, v, call, func(what string) bool {
			var any map[string]json.RawMessage
			object := json.Unmarshal([]byte(last.body), &any) == nil && any != nil
			failed := any["error"] != nil && string(any["error"]) != "null"
			success := last.status < 300 && (object && !failed || strings.TrimSpace(last.body) == "")
			switch what {
			case "resolve":
				return last.status < 300 && object
			case "observe": // a tenant may hide its administrators
				return last.status < 300 && object || last.status >= 400 && last.status < 500
			case "invite":
				return success || last.status == http.StatusConflict
			case "offboard": // also if a listing proves that the account is gone
				return success || v.Calls > 1
			}
			return success
		})
	})
}

// A listing with an unknown form does not prove that an account is missing or has no role.
func TestUnknownFormProvesNothing(t *testing.T) {
	const known = `{"type":"user","id":"b2","context_attributes":{"roles":["R"]}}`
	for name, body := range map[string]string{
		"roles in an unknown form":    `{"data":[{"type":"user","id":"a1","context_attributes":{"roles":[5]}},` + known + `]}`,
		"roles in one text":           `{"data":[{"type":"user","id":"a1","context_attributes":{"roles":"R, S"}},` + known + `]}`,
		"an account without an id":    `{"data":[{"type":"user"},` + known + `]}`,
		"a number for an id":          `{"data":[{"type":"user","id":7},` + known + `]}`,
		"null in place of an account": `{"data":[null,` + known + `]}`,
	} {
		v := &backendtest.Vendor{Answer: func(*http.Request) (int, http.Header, string) { return 200, http.Header{}, body }}
		c, err := virustotal.New(virustotal.Config{Caller: backend.Caller{URL: "https://vendor.example/api/v3", Transport: v}, APIKey: backend.NewSecret(backendtest.Secret)})
		if err != nil {
			t.Fatal(err)
		}
		o, _ := c.Observe(t.Context(), "t1") // an error is an answer, too
		if has, known := o.Has("a1", "R"); has || known {
			t.Errorf("%s: %v, %v", name, has, known)
		}
	}
}

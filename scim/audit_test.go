package scim_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// last is the newest event.
func (w *world) last() (last store.Event) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(tx store.Tx) error {
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			last = e
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return last
}

// TestAuditEvents: every change has an event with the identity provider, the credential, the
// request, and the attributes before and after.
func TestAuditEvents(t *testing.T) {
	w := newWorld(t)
	w.seed()
	sum := sha256.Sum256([]byte(acmeToken))
	const adaNow = `"displayName":"Person 0","emails":[{"primary":true,"type":"work","value":"ada@example.com"}],"name":{"familyName":"Family0","givenName":"Given0"},"userName":"ada@example.com"`
	for _, test := range []struct {
		method, path, body, kind, name, before, after string
	}{
		{"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"new@example.com","password":"never-shown-0123","title":"T"}`,
			"user.create", "new@example.com", "", `{"active":true,"title":"T","userName":"new@example.com"}`},
		{"PATCH", "/Users/" + ada, `{"Operations":[{"op":"replace","path":"title","value":"Countess"}]}`, "user.patch", "ada@example.com", "", `{"title":"Countess"}`},
		{"PATCH", "/Users/" + ada, `{"Operations":[{"op":"replace","path":"title","value":"Dr."},{"op":"replace","path":"displayName","value":"Person 0"}]}`,
			"user.patch", "ada@example.com", `{"title":"Countess"}`, `{"title":"Dr."}`},
		{"PATCH", "/Users/" + ada, `{"Operations":[{"op":"remove","path":"title"},{"op":"replace","path":"active","value":false}]}`,
			"user.deactivate", "ada@example.com", `{"active":true,"title":"Dr."}`, `{"active":false}`},
		{"PUT", "/Users/" + ada, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"active":true,` + strings.Replace(adaNow, "ada@example.com", "lovelace@example.com", 1) + `}`,
			"user.activate", "ada@example.com", `{"active":false,"emails":[{"primary":true,"type":"work","value":"ada@example.com"}]}`, `{"active":true,"emails":[{"primary":true,"type":"work","value":"lovelace@example.com"}]}`},
		{"PATCH", "/Users/" + ada, `{"Operations":[{"op":"replace","path":"title","value":"` + strings.Repeat("x", 2000) + `"}]}`, "user.patch", "ada@example.com", "", `{"title":"(2002 bytes)"}`},
		{"PATCH", "/Users/" + ada, `{"Operations":[{"op":"remove","path":"title"}]}`, "user.patch", "ada@example.com", `{"title":"(2002 bytes)"}`, ""},
		{"DELETE", "/Users/" + ada, "", "user.delete", "ada@example.com", `{"active":true,` + strings.Replace(adaNow, "ada@example.com", "lovelace@example.com", 1) + `}`, ""},
		{"PATCH", "/Groups/gid", `{"Operations":[{"op":"replace","path":"displayName","value":"Owners"},{"op":"add","path":"members","value":[{"value":"u1"}]}]}`,
			"group.replace", "Owners", `{"displayName":"VT Admins"}`, `{"displayName":"Owners"}`},
		{"PATCH", "/Groups/gid", `{"Operations":[{"op":"remove","path":"members[value eq \"u1\"]"}]}`, "group.members", "Owners", "", ""},
		{"DELETE", "/Groups/gid", "", "group.delete", "Owners", `{"displayName":"Owners"}`, ""},
	} {
		a := w.do(test.method, test.path, test.body)
		if a.status >= 300 {
			t.Fatalf("%s %s: %d %s", test.method, test.path, a.status, a.body)
		}
		e := w.last()
		if e.Type != test.kind || e.Name != test.name || e.Before != test.before || e.After != test.after {
			t.Errorf("%s %s %s:\n got %s %s\n%s\n%s\nwant %s %s\n%s\n%s", test.method, test.path, test.body, e.Type, e.Name, e.Before, e.After, test.kind, test.name, test.before, test.after)
		}
		if e.Actor != "acme" || e.Token != hex.EncodeToString(sum[:4]) || e.IdP != "acme" || e.Request == "" || e.Request != a.header.Get("X-Request-Id") || e.Detail != test.method || e.Subject == "" {
			t.Errorf("%s %s: %+v", test.method, test.path, e)
		}
	}
}

// TestAuditEventSize: an event stays small for a resource of any size.
func TestAuditEventSize(t *testing.T) {
	w := newWorld(t)
	attrs := map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "u@example.com"}
	for _, name := range []string{"displayName", "nickName", "title", "userType", "locale", "timezone", "preferredLanguage"} {
		attrs[name] = strings.Repeat("x", 1000)
	}
	body, err := json.Marshal(attrs)
	if err != nil {
		t.Fatal(err)
	}
	w.must(201, "POST", "/Users", string(body))
	e := w.last()
	var after map[string]any
	if err := json.Unmarshal([]byte(e.After), &after); err != nil || len(after) != 9 || len(e.After) > 5000 || after["userName"] == nil || fmt.Sprint(after["title"]) != "(1002 bytes)" {
		t.Errorf("%v, %d bytes: %s", err, len(e.After), e.After)
	}
}

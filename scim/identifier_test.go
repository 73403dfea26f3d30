package scim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// acting are characters that act instead of showing.
var acting = []string{"\x00", "\t", "\n", "\x1b", "\x7f", "\u0085", "\u009b", "\u061c", "\u200e", "\u200f", "\u2028", "\u202a", "\u202e", "\u2066", "\u2069"}

func TestIdentifiers(t *testing.T) {
	quoted := func(s string) string {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	w := newWorld(t)
	id, _ := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`).json(t)["id"].(string)
	group, _ := w.must(201, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Staff"}`).json(t)["id"].(string)
	for _, c := range []struct{ name, attribute, method, path, body string }{
		{"userName of a new user", "userName", "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%s}`},
		{"externalId in a PUT", "externalId", "PUT", "/Users/" + id, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com","externalId":%s}`},
		{"an address in a PATCH", "emails", "PATCH", "/Users/" + id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"emails","value":[{"value":%s,"type":"work"}]}]}`},
		{"displayName of a new group", "displayName", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%s}`},
		{"displayName in a PATCH", "displayName", "PATCH", "/Groups/" + group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"displayName","value":%s}]}`},
		{"an id of a member", "value", "PATCH", "/Groups/" + group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":%s}]}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, a := range acting {
				got := w.do(c.method, c.path, fmt.Sprintf(c.body, quoted("x"+a+"y")))
				body := got.json(t)
				detail, _ := body["detail"].(string)
				if got.status != 400 || body["scimType"] != "invalidValue" || !strings.Contains(detail, c.attribute) || strings.Contains(detail, a) {
					t.Errorf("%q: %d %s", a, got.status, got.body)
				}
			}
		})
	}
	for _, name := range []string{"Zoë Łódź", "山田 太郎", "محمد", "नमस्\u200dते", "O’Brien & Söhne"} {
		w.must(201, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":`+quoted(name)+`}`)
	}
}

func TestStoredIdentifier(t *testing.T) {
	w := newWorld(t)
	w.seed()
	err := w.store.Update(t.Context(), func(tx store.Tx) error {
		d := tx.Directory("acme")
		u, err := d.User(ada)
		if err != nil {
			return err
		}
		u.UserName = "ada\u202e@example.com"
		return d.PutUser(u)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.must(200, "PATCH", "/Users/"+ada, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`)
}

package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

const patchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`

// scimError checks that an answer is an error in the SCIM form.
func scimError(t *testing.T, a answer, status int, scimType string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/scim+json" {
		t.Fatalf("%d %q, want %d: %s", a.status, a.header.Get("Content-Type"), status, a.body)
	}
	e := a.json(t)
	if !slices.Equal(e["schemas"].([]any), []any{"urn:ietf:params:scim:api:messages:2.0:Error"}) || e["status"] != fmt.Sprint(status) {
		t.Errorf("not a SCIM error: %s", a.body)
	}
	if got, _ := e["scimType"].(string); got != scimType {
		t.Errorf("scimType %q, want %q", got, scimType)
	}
	if detail, _ := e["detail"].(string); detail == "" {
		t.Error("no detail")
	}
}

// TestProvidersAreSeparate: the credential of one identity provider never reaches the resources of
// another.
func TestProvidersAreSeparate(t *testing.T) {
	w := newWorld(t)
	w.seed()
	other := []string{"Authorization", otherToken} // without "Bearer", as one Okta form sends it
	for _, path := range []string{"/Users/" + ada, "/Groups/gid"} {
		w.must(404, "GET", path, "", other...)
		w.must(404, "DELETE", path, "", other...)
		w.must(404, "PATCH", path, patchHead+`[{"op":"replace","path":"displayName","value":"x"}]}`, other...)
		w.must(200, "GET", path, "")
	}
	for _, path := range []string{"/Users", "/Groups", "/Users?filter=userName%20eq%20%22ada@example.com%22", "/Groups?filter=members%20eq%20%22" + linus + "%22"} {
		if n := w.must(200, "GET", path, "", other...).json(t)["totalResults"]; n != 0.0 {
			t.Errorf("%s: %v results", path, n)
		}
	}
	w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`, other...)
}

// TestReturningUser: a user that the same identity provider creates once more returns; any other
// user of the name is a conflict.
func TestReturningUser(t *testing.T) {
	w := newWorld(t)
	create := func(want int, external string) answer {
		t.Helper()
		return w.must(want, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","active":true,"externalId":"`+external+`"}`)
	}
	id := create(201, "x1").json(t)["id"].(string)
	create(409, "x1")
	w.must(200, "PATCH", "/Users/"+id, patchHead+`[{"op":"replace","path":"active","value":false}]}`)
	create(409, "x2")
	back := create(201, "x1").json(t)
	if back["id"] != id || back["active"] != true {
		t.Errorf("%v", back)
	}
}

func TestPutNeverReactivates(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.must(200, "PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","path":"active","value":false}]}`)
	got := w.must(200, "PUT", "/Users/"+ada, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`).json(t)
	if got["active"] != false {
		t.Errorf("%v", got)
	}
}

// TestMemberBeforeUser: a group may have a member before the user exists.
func TestMemberBeforeUser(t *testing.T) {
	w := newWorld(t)
	w.seed()
	w.ids.Store(0)
	w.must(204, "PATCH", "/Groups/gid", patchHead+`[{"op":"add","path":"members","value":[{"value":"new-1"}]}]}`)
	created := w.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"late"}`).json(t)
	if fmt.Sprint(created["groups"]) == "[]" || !slices.Contains(w.state().marks, "t-VT Admins new-1") {
		t.Errorf("groups %v, marks %q", created["groups"], w.state().marks)
	}
}

// TestParallelPatches: no change is lost if many clients change one group at once.
func TestParallelPatches(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	var want []string
	var wg sync.WaitGroup
	for c := range 16 {
		for i := range 10 {
			want = append(want, fmt.Sprintf("+m-%d-%d", c, i))
		}
		wg.Go(func() {
			for i := range 10 {
				if a := w.do("PATCH", "/Groups/gid", fmt.Sprintf(patchHead+`[{"op":"add","path":"members","value":[{"value":"m-%d-%d"}]}]}`, c, i)); a.status != 204 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	if got := delta(before, w.state(), "gid"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestThousandOperations applies a thousand operations in one PATCH, Okta's limit, in order.
func TestThousandOperations(t *testing.T) {
	w := newWorld(t)
	w.seed()
	before := w.state()
	var ops []string
	for i := range 500 {
		ops = append(ops, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":"m-%d"}]}`, i))
	}
	for i := range 500 {
		ops = append(ops, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"m-%d\"]"}`, i))
	}
	w.must(204, "PATCH", "/Groups/gid", patchHead+"["+strings.Join(ops, ",")+"]}")
	after := w.state()
	if got := delta(before, after, "gid"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, e := range after.events {
		if strings.Contains(e, "m-") {
			t.Errorf("an event for what did not happen: %s", e)
		}
	}
	w.must(413, "PATCH", "/Groups/gid", patchHead+"["+strings.Repeat(`{"op":"remove","path":"members[value eq \"x\"]"},`, 10_000)+`{"op":"remove","path":"members"}]}`)
	if got := delta(before, w.state(), "gid"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

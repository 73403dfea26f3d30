package scim_test

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestConditions is RFC 7644 section 3.14 on every method: 304 for what the client has, 412 for
// what has changed, and nothing is changed then.
func TestConditions(t *testing.T) {
	rename := patchHead + `[{"op":"replace","path":"displayName","value":"Other"}]}`
	for _, path := range []string{"/Users/" + ada, "/Groups/gid"} {
		put := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com","displayName":"Other"}`
		if path == "/Groups/gid" {
			put = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Other"}`
		}
		for _, c := range []struct {
			method, header, value string
			status                int
		}{
			{"GET", "If-None-Match", `W/"1"`, 304},
			{"GET", "If-None-Match", `"1"`, 304}, // compared weakly
			{"GET", "If-None-Match", `W/"7", W/"1"`, 304},
			{"GET", "If-None-Match", `*`, 304},
			{"HEAD", "If-None-Match", `W/"1"`, 304},
			{"GET", "If-None-Match", `W/"2"`, 200},
			{"PUT", "If-Match", `W/"1"`, 200},
			{"PUT", "If-Match", `*`, 200},
			{"PUT", "If-Match", `W/"2"`, 412},
			{"PATCH", "If-Match", `W/"2"`, 412},
			{"PATCH", "If-Match", `"1"`, 0},
			{"PATCH", "If-None-Match", `W/"1"`, 412},
			{"DELETE", "If-Match", `nonsense`, 412},
			{"DELETE", "If-Match", `W/"1"`, 204},
		} {
			w := newWorld(t)
			w.seed()
			body := map[string]string{"PUT": put, "PATCH": rename}[c.method]
			a := w.do(c.method, path, body, c.header, c.value)
			if c.status != 0 && a.status != c.status || a.status >= 300 && a.status != c.status {
				t.Fatalf("%s %s %s: %s: %d %s", c.method, path, c.header, c.value, a.status, a.body)
			}
			switch a.status {
			case 412:
				scimError(t, a, 412, "")
				if got := w.must(200, "GET", path, ""); got.header.Get("ETag") != `W/"1"` || got.json(t)["displayName"] == "Other" {
					t.Errorf("%s: refused and done all the same: %s", c.method, got.body)
				}
			case 304:
				if a.header.Get("ETag") != `W/"1"` || len(a.body) > 0 {
					t.Errorf("%v %s", a.header, a.body)
				}
			case 200, 204:
				if c.method == "PUT" || c.method == "PATCH" {
					if a.header.Get("ETag") != `W/"2"` {
						t.Errorf("%s: ETag %q", c.method, a.header.Get("ETag"))
					}
				}
			}
		}
	}
}

// TestOneWriterWins lets many write the same version: the check and the change are one transaction.
func TestOneWriterWins(t *testing.T) {
	w := newWorld(t)
	w.seed()
	var won atomic.Int64
	var wg sync.WaitGroup
	for _, v := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		wg.Go(func() {
			a := w.do("PATCH", "/Users/"+ada, patchHead+`[{"op":"replace","path":"displayName","value":"`+v+`"}]}`, "If-Match", `W/"1"`)
			switch a.status {
			case 200:
				won.Add(1)
			case 412:
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won", won.Load())
	}
}

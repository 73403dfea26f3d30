package virustotal_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend/backendtest"
)

// Every page of a listing is read, the last one too, in each form in which the vendor may announce the next.
func TestLastPage(t *testing.T) {
	for name, more := range map[string]func(n, pages int) string{
		"a link":             func(n, _ int) string { return fmt.Sprintf(`"links":{"next":"https://vendor.example/x?cursor=%d"}`, n) },
		"a cursor":           func(n, _ int) string { return fmt.Sprintf(`"meta":{"cursor":"%d"}`, n) },
		"a cursor and a sum": func(n, pages int) string { return fmt.Sprintf(`"meta":{"cursor":"%d","count":%d}`, n, pages) },
	} {
		for _, pages := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s of %d", name, pages), func(t *testing.T) {
				v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
					n := 0
					if c := r.URL.Query().Get("cursor"); c != "" {
						_, _ = fmt.Sscan(c, &n)
					}
					roles := ""
					if !strings.HasSuffix(r.URL.Path, "/administrators") && strings.Contains(r.URL.Path, "shown") {
						roles = `,"context_attributes":{"roles":["R"]}`
					}
					body := fmt.Sprintf(`{"data":[{"type":"user","id":"a%d","attributes":{"email":"a%d@example.com"}%s}]`, n, n, roles)
					if n+1 < pages {
						body += "," + more(n+1, pages)
					}
					return 200, http.Header{}, body + "}"
				}}
				c := client(t, v)
				last := fmt.Sprintf("a%d", pages-1)
				found, err := c.Resolve(t.Context(), "t1", nil)
				if err != nil || len(found) != pages || found[last+"@example.com"].ID != last {
					t.Errorf("found %v, %v", found, err)
				}
				o, err := c.Observe(t.Context(), "shown")
				if has, known := o.Has(last, "R"); err != nil || !has || !known || len(o.Members) != pages {
					t.Errorf("the last user has the role: %v, known: %v, of %d; %v", has, known, len(o.Members), err)
				}
				o, err = c.Observe(t.Context(), "hidden")
				if has, _ := o.Has(last, "USER_ROLE_GROUP_ADMIN"); err != nil || !has {
					t.Errorf("the last administrator is one: %v; %v", has, err)
				}
			})
		}
	}
}

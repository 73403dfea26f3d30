package riskcloud_test

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend/riskcloud"
)

// Every page of a listing is read, the last one too, in each form in which the vendor may mark it.
func TestLastPage(t *testing.T) {
	for name, form := range map[string]func(n, pages int) string{
		"last":                    func(n, pages int) string { return fmt.Sprintf(`"last":%v`, n+1 == pages) },
		"last and a number":       func(n, pages int) string { return fmt.Sprintf(`"number":%d,"last":%v`, n, n+1 == pages) },
		"a sum of pages":          func(n, pages int) string { return fmt.Sprintf(`"number":%d,"totalPages":%d`, n, pages) },
		"a sum, as in version 2":  func(_, pages int) string { return fmt.Sprintf(`"page":{"totalPages":%d}`, pages) },
		"a sum of pages and last": func(n, pages int) string { return fmt.Sprintf(`"totalPages":%d,"last":%v`, pages, n+1 == pages) },
	} {
		for _, pages := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s of %d", name, pages), func(t *testing.T) {
				c := answering(t, func(r *http.Request) (int, string) {
					if isToken(r) {
						return 0, ""
					}
					n, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("page"), "0"))
					if err != nil {
						t.Error(err)
					}
					item := fmt.Sprintf(`{"id":"a%d","email":"a%d@example.com","status":"Active"}`, n, n)
					if strings.HasSuffix(r.URL.Path, "/roles") {
						item = fmt.Sprintf(`{"id":"r%d","name":"R","userCount":1,"users":[{"id":"a0"}]}`, n)
					}
					return 200, fmt.Sprintf(`{"content":[%s],%s}`, item, form(n, pages))
				})
				last := pages - 1
				found, err := c.Resolve(t.Context(), "r0", nil)
				if err != nil || len(found) != pages || found[fmt.Sprintf("a%d@example.com", last)].ID != fmt.Sprintf("a%d", last) {
					t.Errorf("found %v, %v", found, err)
				}
				o, err := c.Observe(t.Context(), fmt.Sprintf("r%d", last))
				if has, known := o.Has("a0", riskcloud.Member); err != nil || !has || !known || len(o.Members) != pages {
					t.Errorf("the role of the last page: %v, known: %v, of %d; %v", has, known, len(o.Members), err)
				}
			})
		}
	}
}

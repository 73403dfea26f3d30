package message

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

func TestFail(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		retry  string
	}{
		"an error of the protocol":     {InvalidValue("x"), 400, ""},
		"a wrong filter":               {&filter.Error{Detail: "x"}, 400, ""},
		"a missing resource":           {fmt.Errorf("reading: %w", store.ErrNotFound), 404, ""},
		"a conflict":                   {store.ErrConflict, 409, ""},
		"a full store":                 {store.ErrFull, 429, "60"},
		"a client that has gone":       {context.Canceled, 429, "60"},
		"no room":                      {ErrBusy, 429, "10"},
		"an internal error, unlabeled": {errors.New("secret"), 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			e := Fail(w, c.err)
			if e.Status != c.status || w.Code != c.status || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("%d, %d, %v", e.Status, w.Code, w.Header())
			}
			if w.Header().Get("Content-Type") != MediaType || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		})
	}
}

package console

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/scimbridge/scimbridge/mapping/access"
)

// access writes who has which role, as the query selects: see AccessQuery.
func (c lists) access(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := access.Query{User: v.Get("user"), Role: v.Get("role"), Target: v.Get("target"), Backend: v.Get("backend"), IdP: v.Get("idp"),
		Unmanaged: v.Get("unmanaged") == "true"}
	if text := v.Get("at"); text != "" {
		var err error
		if q.At, err = time.Parse(time.RFC3339Nano, text); err != nil {
			refuse(w, http.StatusBadRequest, "at is no time")
			return
		}
		if q.At.After(c.now()) {
			refuse(w, http.StatusBadRequest, "that moment is in the future: the server's clock is at "+c.now().UTC().Format(time.RFC3339))
			return
		}
	}
	c.lines(w, r, func(ctx context.Context, emit func([]byte) error) (listEnd, error) {
		var buffer []byte
		notes, err := c.Access().Report(ctx, q, func(row access.Row) error {
			buffer = row.AppendJSON(buffer[:0])
			return emit(buffer)
		})
		return listEnd{notes: notes}, err
	})
}

// AccessQuery returns a query as that of GET /api/access.
func AccessQuery(q access.Query) url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"user": q.User, "role": q.Role, "target": q.Target, "backend": q.Backend, "idp": q.IdP} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.Unmanaged {
		v.Set("unmanaged", "true")
	}
	if !q.At.IsZero() {
		v.Set("at", q.At.UTC().Format(time.RFC3339Nano))
	}
	return v
}

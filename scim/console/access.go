package console

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/scimbridge/scimbridge/mapping/access"
)

// AccessLine is a line of the answer of GET /api/access: a row, a note, or the end. An answer without
// an end broke off.
type AccessLine struct {
	*access.Row
	Note string `json:"note,omitempty"`
	End  *int   `json:"end,omitempty"` // how many rows there were
}

// access writes who has which role, as the query selects: see AccessQuery.
func (c *Console) access(w http.ResponseWriter, r *http.Request) {
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
	c.stream("application/jsonl", 0, func() writeFunc {
		return func(ctx context.Context, to io.Writer) error { return c.writeAccess(ctx, q, to) }
	})(w, r)
}

func (c *Console) writeAccess(ctx context.Context, q access.Query, to io.Writer) error {
	out, rows := bufio.NewWriterSize(to, pieceSize), 0
	lines, buffer := json.NewEncoder(out), []byte(nil)
	notes, err := c.Access().Report(ctx, q, func(row access.Row) error {
		rows++
		buffer = append(row.AppendJSON(buffer[:0]), '\n')
		_, err := out.Write(buffer)
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range notes {
		if err := lines.Encode(AccessLine{Note: n}); err != nil {
			return err
		}
	}
	if err := lines.Encode(AccessLine{End: &rows}); err != nil {
		return err
	}
	return out.Flush()
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

package console

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/scimbridge/scimbridge/mapping/access"
)

// lists answers with what is read line by line.
type lists struct{ *Console }

// LastLine is a line after the rows of a list: a note, or the end. An answer without an end broke off.
type LastLine struct {
	Note string `json:"note,omitempty"`
	End  *int   `json:"end,omitempty"` // how many rows there were
	// Place is the last place of the audit trail that was read: with the end of a list of events.
	Place uint64 `json:"place,omitempty"`
}

// list writes the lines of a list, each a JSON object.
type list func(ctx context.Context, emit func(line []byte) error) (listEnd, error)

// listEnd is what the reader of a list must know of its rows.
type listEnd struct {
	notes []string
	place uint64 // see LastLine
}

// lines answers with a list while it is read.
func (c lists) lines(w http.ResponseWriter, r *http.Request, all list) {
	c.stream("application/jsonl", 0, func() writeFunc {
		return func(ctx context.Context, to io.Writer) error {
			out, rows := bufio.NewWriterSize(to, pieceSize), 0
			end, err := all(ctx, func(line []byte) error {
				rows++
				if _, err := out.Write(line); err != nil {
					return err
				}
				return out.WriteByte('\n')
			})
			if err != nil {
				return err
			}
			last := json.NewEncoder(out)
			for _, n := range end.notes {
				if err := last.Encode(LastLine{Note: n}); err != nil {
					return err
				}
			}
			if err := last.Encode(LastLine{End: &rows, Place: end.place}); err != nil {
				return err
			}
			return out.Flush()
		}
	})(w, r)
}

// marshaled emits rows as JSON.
func marshaled[T any](emit func([]byte) error) func(T) error {
	return func(row T) error {
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		return emit(line)
	}
}

// blocked lists who is blocked, as the query selects: see ListQuery.
func (c lists) blocked(w http.ResponseWriter, r *http.Request) {
	q := listQueryOf(r.URL.Query())
	c.lines(w, r, func(ctx context.Context, emit func([]byte) error) (listEnd, error) {
		return listEnd{}, c.Access().Blocked(ctx, q, marshaled[access.BlockedRow](emit))
	})
}

// drift lists foreign and missing grants, as the query selects: see ListQuery.
func (c lists) drift(w http.ResponseWriter, r *http.Request) {
	q := listQueryOf(r.URL.Query())
	c.lines(w, r, func(ctx context.Context, emit func([]byte) error) (listEnd, error) {
		notes, err := c.Access().Drift(ctx, q, marshaled[access.DriftRow](emit))
		return listEnd{notes: notes}, err
	})
}

func listQueryOf(v url.Values) access.ListQuery {
	return access.ListQuery{Backend: v.Get("backend"), Target: v.Get("target"), Reason: v.Get("reason")}
}

// ListQuery returns a query as that of GET /api/blocked and GET /api/drift.
func ListQuery(q access.ListQuery) url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"backend": q.Backend, "target": q.Target, "reason": q.Reason} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return v
}

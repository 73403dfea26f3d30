package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/store/audit"
)

// auditVerify verifies the chain of the audit trail. It has no deadline.
func (c lists) auditVerify(w http.ResponseWriter, r *http.Request) {
	if !withoutDeadline(w) {
		return
	}
	report, err := audit.Verify(r.Context(), c.Store, r.URL.Query().Get("head"))
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, report)
}

// auditExport writes the events that the query selects: see AuditQuery.
func (c lists) auditExport(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, ok := c.filterOf(w, q)
	if !ok {
		return
	}
	c.stream("application/jsonl", 0, func() writeFunc {
		return func(ctx context.Context, to io.Writer) error { return audit.Export(ctx, c.Store, f, to) }
	})(w, r)
}

// filterOf reads a query; an invalid one is answered.
func (c lists) filterOf(w http.ResponseWriter, q url.Values) (f audit.Filter, ok bool) {
	f = audit.Filter{Person: q.Get("person"), Role: q.Get("role"), Backend: q.Get("backend"), Request: q.Get("request"), Type: q.Get("type")}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(name); text != "" {
			var err error
			if *at, err = time.Parse(time.RFC3339Nano, text); err != nil {
				refuse(w, http.StatusBadRequest, name+" is no time")
				return f, false
			}
		}
	}
	f.Configured = slices.ContainsFunc(c.Backends, func(b Backend) bool { return b.Name == f.Backend })
	return f, true
}

// mostNewest limits how many of the newest events are listed at once.
const mostNewest = 10_000

// events lists the newest events that the query selects (last=N; follow=true: more will be asked for), or those
// after a place (after=PLACE): see AuditQuery.
// The end of the answer has the place after which to ask next.
func (c lists) events(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, ok := c.filterOf(w, q)
	if !ok {
		return
	}
	last, after := uint64(20), uint64(0)
	for name, n := range map[string]*uint64{"last": &last, "after": &after} {
		if text := q.Get(name); text != "" {
			var err error
			if *n, err = strconv.ParseUint(text, 10, 64); err != nil || name == "last" && *n > mostNewest {
				refuse(w, http.StatusBadRequest, fmt.Sprintf("last is a number up to %d, and after a place of the audit trail", mostNewest))
				return
			}
		}
	}
	c.lines(w, r, func(ctx context.Context, emit func([]byte) error) (end listEnd, err error) {
		if q.Get("after") != "" {
			end.place, err = audit.Tail(ctx, c.Store, f, after, marshaled[audit.Line](emit))
		} else {
			end.place, err = audit.Newest(ctx, c.Store, f, int(last), q.Get("follow") == "true", marshaled[audit.Line](emit))
		}
		return end, err
	})
}

// AuditQuery returns a filter as the query of GET /api/audit.
func AuditQuery(f audit.Filter) url.Values {
	q := url.Values{}
	for name, text := range map[string]string{"person": f.Person, "role": f.Role, "backend": f.Backend, "request": f.Request, "type": f.Type} {
		if text != "" {
			q.Set(name, text)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			q.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	return q
}

package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/scimbridge/scimbridge/store/audit"
)

// auditVerify verifies the chain of the audit trail. It has no deadline.
func (c *Console) auditVerify(w http.ResponseWriter, r *http.Request) {
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
func (c *Console) auditExport(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := audit.Filter{Person: q.Get("person"), Role: q.Get("role"), Backend: q.Get("backend"), Request: q.Get("request")}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(name); text != "" {
			var err error
			if *at, err = time.Parse(time.RFC3339Nano, text); err != nil {
				refuse(w, http.StatusBadRequest, name+" is no time")
				return
			}
		}
	}
	c.stream("application/jsonl", 0, func() writeFunc {
		return func(ctx context.Context, to io.Writer) error { return audit.Export(ctx, c.Store, f, to) }
	})(w, r)
}

// AuditQuery returns a filter as the query of GET /api/audit.
func AuditQuery(f audit.Filter) url.Values {
	q := url.Values{}
	for name, text := range map[string]string{"person": f.Person, "role": f.Role, "backend": f.Backend, "request": f.Request} {
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

package console

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/store"
)

// api serves the operator API, which the commands call.
func (c *Console) api() http.Handler {
	mux, all := http.NewServeMux(), lists{c}
	for route, h := range map[string]http.HandlerFunc{
		"GET /api/status": c.status, "GET /api/holds": c.holds, "POST /api/plan": c.plan, "GET /api/plan/live": all.live, "GET /api/explain": c.explain,
		"GET /api/group": c.group, "GET /api/access": all.access, "GET /api/blocked": all.blocked, "GET /api/drift": all.drift, "GET /api/audit": all.auditExport, "GET /api/events": all.events, "GET /api/audit/verify": all.auditVerify,
	} {
		mux.HandleFunc(route, needs(auth.Viewer, h))
	}
	mux.HandleFunc("POST /api/holds/{id}/{decision}", needs(auth.Approver, c.decide))
	mux.HandleFunc("POST /api/{action}", needs(auth.Approver, c.act))
	for route, h := range map[string]http.HandlerFunc{
		"POST /api/reload": c.reload, "POST /api/resume": c.resume,
		"GET /api/backup": c.copies("backup", c.stream("application/octet-stream", copyTime, func() writeFunc { return c.Backup })),
		"GET /api/export": c.copies("export", c.stream("application/jsonl", copyTime, func() writeFunc { return c.Export })),
	} {
		mux.HandleFunc(route, needs(auth.Admin, h))
	}
	return c.authenticate(mux)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(legible.NewWriter(w)).Encode(v) // it fails only if the client has gone
}

func (c *Console) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

// PlanRequest says which plan is requested.
type PlanRequest struct {
	File     string // the name of the proposed file; "" and no content: the policy in force
	Proposed []byte
	If       []string // what is supposed of the directory: see package suppose
}

// maxProposal limits a proposed file, in bytes.
const maxProposal = 1 << 20

func (c *Console) plan(w http.ResponseWriter, r *http.Request) {
	proposed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProposal))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "the proposed file has more than 1 MiB")
		return
	}
	query := r.URL.Query()
	previews(w, func() ([]desk.Preview, error) {
		return c.Plan(r.Context(), PlanRequest{File: query.Get("file"), Proposed: proposed, If: query["if"]})
	})
}

// withoutDeadline removes the deadline of an answer and reports whether it could.
func withoutDeadline(w http.ResponseWriter) bool {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		refuse(w, http.StatusInternalServerError, "the connection cannot be kept open")
		return false
	}
	return true
}

func previews(w http.ResponseWriter, compute func() ([]desk.Preview, error)) {
	if !withoutDeadline(w) {
		return
	}
	all, err := compute()
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, all)
}

func (c *Console) resume(w http.ResponseWriter, r *http.Request) {
	d, ok := decisionOf(w, r)
	if !ok {
		return
	}
	stoodBy, err := c.Resume(r.Context(), d)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, notStored)
		return
	}
	state := "resumed"
	if !stoodBy {
		state = "unchanged"
	}
	answer(w, http.StatusOK, map[string]string{"state": state})
}

// act requests a resync or a retry from the worker of one backend, or of all.
func (c *Console) act(w http.ResponseWriter, r *http.Request) {
	name, requested := r.URL.Query().Get("backend"), []string{}
	d, ok := decisionOf(w, r)
	if !ok {
		return
	}
	for _, b := range c.Backends {
		if name != "" && b.Name != name {
			continue
		}
		var request func(context.Context) error
		switch r.PathValue("action") {
		case "resync":
			request = b.Engine.Resync
		case "retry":
			request = b.Engine.Retry
		default:
			refuse(w, http.StatusNotFound, "there is no such action")
			return
		}
		if !c.note(w, r, d.Sign(store.Event{At: c.now().UTC(), Type: r.PathValue("action"), Backend: b.Name})) {
			return
		}
		if err := request(r.Context()); err != nil {
			refuse(w, http.StatusServiceUnavailable, notStored)
			return
		}
		requested = append(requested, b.Name)
	}
	if len(requested) == 0 {
		names := make([]string, len(c.Backends))
		for i, b := range c.Backends {
			names[i] = b.Name
		}
		refuse(w, http.StatusNotFound, "there is no such backend; there is "+strings.Join(names, ", "))
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"backends": requested})
}

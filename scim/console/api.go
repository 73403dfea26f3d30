package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/store"
)

// operator is the actor of the audit trail for what comes with the operator's key.
const operator = "operator"

// Status is the answer of GET /api/status.
type Status struct {
	Version           string           `json:"version"`
	Store             string           `json:"store"`
	IdentityProviders []ProviderStatus `json:"identity_providers"`
	Refused           int64            `json:"refused_last_hour"` // requests without a valid credential
	Backends          []BackendStatus  `json:"backends"`
	Replicas          []ReplicaStatus  `json:"replicas,omitempty"`
}

// ProviderStatus is one directory.
type ProviderStatus struct {
	Name        string        `json:"name"`
	Users       int           `json:"users"`
	Groups      int           `json:"groups"`
	LastRequest time.Time     `json:"last_request,omitzero"` // since the start
	Requests    int64         `json:"requests_last_hour"`
	Failed      int64         `json:"failed_last_hour"`
	Tokens      []TokenStatus `json:"tokens"`

	Ignored        []IgnoredAttribute `json:"ignored_attributes,omitempty"`  // since the start
	Omitted        *OmissionStatus    `json:"put_without_members,omitempty"` // PUTs that left members out
	UnknownMembers UnknownStatus      `json:"members_without_user"`
}

// TokenStatus is a token by the beginning of its hash, a client by its id, or whom a signed token named.
type TokenStatus struct {
	Token   string    `json:"token"`
	Since   time.Time `json:"configured_since,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	LastUse time.Time `json:"last_use,omitzero"` // up to a minute behind
}

// BackendStatus is one backend. Times are absent where there is none.
type BackendStatus struct {
	Name         string         `json:"name"`
	Kind         string         `json:"kind"`
	Mode         string         `json:"mode"`
	State        string         `json:"state"`
	Reason       string         `json:"reason,omitempty"`
	Pending      int            `json:"pending"`
	Blocked      map[string]int `json:"blocked"`       // people by reason
	BlockedUsers int            `json:"blocked_users"` // each counted once
	Held         int            `json:"held"`
	Holds        int            `json:"holds"`
	// OverLimit lists, by limit, the targets on which changes are held because they exceed it.
	OverLimit     map[string][]string `json:"over_limit,omitempty"`
	OldestPending time.Time           `json:"oldest_pending,omitzero"`
	OldestRemoval time.Time           `json:"oldest_removal,omitzero"` // pending or blocked
	PausedUntil   time.Time           `json:"paused_until,omitzero"`
	Leader        *LeaderStatus       `json:"leader,omitempty"` // where replicas share the store
}

// NeedsSomebody says whether the backend waits for a human.
func (b BackendStatus) NeedsSomebody() bool {
	return b.Held > 0 || len(b.Blocked) > 0 || b.State == "unauthorized" || b.State == "standby"
}

// api serves what the commands call.
func (c *Console) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/status", c.status)
	mux.HandleFunc("GET /api/holds", c.holds)
	mux.HandleFunc("POST /api/holds/{id}/{decision}", c.decide)
	mux.HandleFunc("POST /api/plan", c.plan)
	mux.HandleFunc("POST /api/reload", c.reload)
	mux.HandleFunc("GET /api/explain", c.explain)
	mux.HandleFunc("GET /api/group", c.group)
	mux.HandleFunc("GET /api/backup", c.stream("application/octet-stream", copyTime, func() writing { return c.Backup }))
	mux.HandleFunc("GET /api/export", c.stream("application/jsonl", copyTime, func() writing { return c.Export }))
	mux.HandleFunc("GET /api/audit", c.auditExport)
	mux.HandleFunc("GET /api/audit/verify", c.auditVerify)
	mux.HandleFunc("POST /api/resume", c.resume)
	mux.HandleFunc("POST /api/{action}", c.act)
	return c.withKey(mux)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(legible.NewWriter(w)).Encode(v) // the client went away
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

func (c *Console) status(w http.ResponseWriter, r *http.Request) {
	s := Status{Version: c.Version, Store: "ok", IdentityProviders: []ProviderStatus{}, Backends: []BackendStatus{}}
	now := c.now()
	err := c.Store.View(r.Context(), func(tx store.Tx) error {
		s.IdentityProviders, s.Backends = s.IdentityProviders[:0], s.Backends[:0]
		for _, name := range c.providers(tx) {
			d := tx.Directory(name)
			last, requests, failed := c.Traffic.lately(name, now)
			unknown, err := c.Metrics.unknown.status(tx, name)
			if err != nil {
				return err
			}
			s.IdentityProviders = append(s.IdentityProviders, ProviderStatus{name, d.UserCount(), d.GroupCount(), last, requests, failed, c.tokens(tx, name),
				c.Ignored.most(name), c.Omitted.status(tx, name), unknown})
		}
		_, s.Refused, _ = c.Traffic.lately("", now)
		for _, b := range c.Backends {
			one, err := b.status(tx)
			if err != nil {
				return err
			}
			s.Backends = append(s.Backends, one)
		}
		return nil
	})
	if err == nil {
		err = c.countHolds(r.Context(), s.Backends)
	}
	if err == nil {
		err = c.addReplicas(r.Context(), &s)
	}
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	answer(w, http.StatusOK, s)
}

func (c *Console) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// addReplicas says who else serves the store, and who delivers.
func (c *Console) addReplicas(ctx context.Context, s *Status) error {
	all, leaders, err := c.replicas(ctx)
	if err != nil {
		return err
	}
	s.Replicas = all
	for i := range s.Backends {
		if l, ok := leaders[s.Backends[i].Name]; ok {
			s.Backends[i].Leader = &l
		}
	}
	return nil
}

// providers are those that are configured and those that have a directory.
func (c *Console) providers(tx store.Tx) []string {
	all := tx.IdPs()
	for _, t := range c.Tokens {
		all = append(all, t.IdP)
	}
	all = append(all, c.Signing...)
	slices.Sort(all)
	return slices.Compact(all)
}

// condition is how the backend is, as whoever delivers says.
func (b Backend) condition(tx store.Tx) (delivery.Condition, error) {
	is := delivery.Condition{Until: b.Engine.PausedUntil()}
	if is.State, is.Reason = b.Engine.Health(); is.State != delivery.Following {
		return is, nil
	}
	told, err := delivery.ConditionOf(tx, b.Name)
	if err != nil || told.State == "" {
		return is, err
	}
	return told, nil
}

func (b Backend) status(tx store.Tx) (BackendStatus, error) {
	is, err := b.condition(tx)
	s := BackendStatus{Name: b.Name, Kind: b.Kind, Mode: b.Mode, State: is.State, Reason: is.Reason, PausedUntil: is.Until}
	if err != nil {
		return s, err
	}
	work := tx.Work(b.Name)
	s.Pending, _, _ = work.Counts()
	if s.BlockedUsers, s.Blocked, err = work.BlockedUsers(); err != nil {
		return s, err
	}
	if s.OldestPending, err = work.OldestPending(); err != nil {
		return s, err
	}
	held, err := readHeld(tx, b.Name)
	s.Held, s.OverLimit = held.changes, held.over
	return s, err
}

func (c *Console) countHolds(ctx context.Context, backends []BackendStatus) error {
	for i, b := range c.Backends {
		var err error
		if backends[i].Holds, err = b.Engine.CountHolds(ctx); err != nil {
			return err
		}
		if backends[i].OldestRemoval, err = b.Engine.OldestRemoval(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Console) holds(w http.ResponseWriter, r *http.Request) {
	all, err := c.showHolds(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	answer(w, http.StatusOK, all)
}

// showHolds lists the holds of all backends, the oldest first.
func (c *Console) showHolds(ctx context.Context) ([]delivery.Hold, error) {
	all := []delivery.Hold{}
	for _, b := range c.Backends {
		holds, err := b.Engine.ShowHolds(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, holds...)
	}
	slices.SortStableFunc(all, func(a, b delivery.Hold) int { return a.Since.Compare(b.Since) })
	return all, nil
}

// HoldChanged is the answer to a decision about a hold that is not what was listed: with the holds as they are now.
type HoldChanged struct {
	Error string          `json:"error"`
	Holds []delivery.Hold `json:"holds"`
}

// holdChanged refuses a decision about a hold that is not what was listed.
func (c *Console) holdChanged(w http.ResponseWriter, r *http.Request) {
	all, err := c.showHolds(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	answer(w, http.StatusConflict, HoldChanged{"the hold is not what was listed, and nothing was decided: read the list as it is now, and decide by an id of it", all})
}

func (c *Console) decide(w http.ResponseWriter, r *http.Request) {
	id, decision, request := r.PathValue("id"), r.PathValue("decision"), uuid.NewString()
	if digest := r.URL.Query().Get("digest"); digest != "" { // in place of an id with its digest
		id += "." + digest
	}
	w.Header().Set("X-Request-Id", request)
	for _, b := range c.Backends {
		why, do := whyOf(r.Context(), b.Engine, id), b.Engine.Approve
		switch decision {
		case "approve":
		case "reject":
			do = b.Engine.Reject
		default:
			refuse(w, http.StatusNotFound, "a hold is approved or rejected")
			return
		}
		err := do(r.Context(), id, operator, request)
		switch {
		case errors.Is(err, delivery.ErrNoHold):
			continue
		case errors.Is(err, delivery.ErrChanged):
			c.holdChanged(w, r)
		case errors.Is(err, delivery.ErrProtected):
			refuse(w, http.StatusConflict, "the configuration protects this person: take them out of `protect` or `own_account` and restart, or reject the hold")
		case err != nil:
			refuse(w, http.StatusServiceUnavailable, "the decision cannot be stored now; nothing was changed")
		default:
			answer(w, http.StatusOK, map[string]string{"id": id, "decision": decision, "why": why})
		}
		return
	}
	refuse(w, http.StatusNotFound, "there is no such hold; `scimbridge hold list` shows those there are")
}

// whyOf is why a hold holds, for the answer to whoever ends it; "" if it is not there.
func whyOf(ctx context.Context, e Engine, id string) string {
	holds, err := e.Holds(ctx)
	if i := slices.IndexFunc(holds, func(h delivery.Hold) bool { return h.ID == id }); err == nil && i >= 0 {
		return holds[i].Why
	}
	return ""
}

// maxProposal bounds a proposed file.
const maxProposal = 1 << 20

func (c *Console) plan(w http.ResponseWriter, r *http.Request) {
	proposed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProposal))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "the proposed file has more than 1 MiB")
		return
	}
	previews(w, func() ([]delivery.Preview, error) { return c.Plan(r.Context(), r.URL.Query().Get("file"), proposed) })
}

func (c *Console) reload(w http.ResponseWriter, r *http.Request) {
	previews(w, func() ([]delivery.Preview, error) { return c.Reload(r.Context()) })
}

// unhurried lets an answer take as long as it takes, and says whether it can.
func unhurried(w http.ResponseWriter) bool {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		refuse(w, http.StatusInternalServerError, "the connection cannot be kept open")
		return false
	}
	return true
}

func previews(w http.ResponseWriter, compute func() ([]delivery.Preview, error)) {
	if !unhurried(w) {
		return
	}
	all, err := compute()
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, all)
}

func (c *Console) explain(w http.ResponseWriter, r *http.Request) {
	who, all := r.URL.Query().Get("user"), []delivery.Why{}
	if who == "" {
		refuse(w, http.StatusBadRequest, "name a user")
		return
	}
	for _, b := range c.Backends {
		whys, err := b.Engine.Explain(r.Context(), who, r.URL.Query().Get("role"))
		var is delivery.Condition
		if err == nil {
			err = c.Store.View(r.Context(), func(tx store.Tx) (err error) {
				is, err = b.condition(tx)
				return err
			})
		}
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
			return
		}
		for _, y := range whys {
			if is.State != "ok" {
				y.Condition = is
			}
			all = append(all, y)
		}
	}
	if len(all) == 0 {
		refuse(w, http.StatusNotFound, "no identity provider has sent such a user; name a userName, an e-mail address, an externalId or an id")
		return
	}
	slices.SortStableFunc(all, func(a, b delivery.Why) int { // whoever is a user of several identity providers is told about once for each
		return cmp.Or(cmp.Compare(a.IdP, b.IdP), cmp.Compare(a.UserID, b.UserID))
	})
	answer(w, http.StatusOK, all)
}

func (c *Console) resume(w http.ResponseWriter, r *http.Request) {
	stoodBy, err := c.Resume(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "this cannot be stored now; nothing was changed")
		return
	}
	state := "resumed"
	if !stoodBy {
		state = "unchanged"
	}
	answer(w, http.StatusOK, map[string]string{"state": state})
}

// act asks the workers of one backend, or of all, for something.
func (c *Console) act(w http.ResponseWriter, r *http.Request) {
	name, asked := r.URL.Query().Get("backend"), []string{}
	for _, b := range c.Backends {
		if name != "" && b.Name != name {
			continue
		}
		var ask func(context.Context) error
		switch r.PathValue("action") {
		case "resync":
			ask = b.Engine.Resync
		case "retry":
			ask = b.Engine.Retry
		default:
			refuse(w, http.StatusNotFound, "there is no such action")
			return
		}
		if err := ask(r.Context()); err != nil {
			refuse(w, http.StatusServiceUnavailable, "this cannot be stored now; nothing was changed")
			return
		}
		asked = append(asked, b.Name)
	}
	if len(asked) == 0 {
		names := make([]string, len(c.Backends))
		for i, b := range c.Backends {
			names[i] = b.Name
		}
		refuse(w, http.StatusNotFound, "there is no such backend; there is "+strings.Join(names, ", "))
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"backends": asked})
}

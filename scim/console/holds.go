package console

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/store"
)

func (c *Console) holds(w http.ResponseWriter, r *http.Request) {
	all, err := c.showHolds(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	answer(w, http.StatusOK, all)
}

// showHolds lists the holds of all backends, the oldest first.
func (c *Console) showHolds(ctx context.Context) ([]desk.Hold, error) {
	all := []desk.Hold{}
	for _, b := range c.Backends {
		holds, err := b.Engine.ShowHolds(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, holds...)
	}
	slices.SortStableFunc(all, func(a, b desk.Hold) int { return a.Since.Compare(b.Since) })
	return all, nil
}

// HoldChanged is the answer to a decision about a hold that has changed since it was listed. Holds
// lists the present ones.
type HoldChanged struct {
	Error string      `json:"error"`
	Holds []desk.Hold `json:"holds"`
}

// holdChanged refuses a decision about a hold that has changed since it was listed.
func (c *Console) holdChanged(w http.ResponseWriter, r *http.Request) {
	all, err := c.showHolds(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	answer(w, http.StatusConflict, HoldChanged{"the hold has changed since it was listed, nothing was decided: list the holds again and use an id of that list", all})
}

func (c *Console) decide(w http.ResponseWriter, r *http.Request) {
	id, decision := r.PathValue("id"), r.PathValue("decision")
	if digest := r.URL.Query().Get("digest"); digest != "" { // instead of an id with its digest
		id += "." + digest
	}
	if decision != "approve" && decision != "reject" {
		refuse(w, http.StatusNotFound, "a hold is approved or rejected")
		return
	}
	d, ok := decisionOf(w, r)
	if !ok {
		return
	}
	by := store.Origin{Initiator: operator, Token: d.Operator.Credential(), Request: d.Request}
	for _, b := range c.Backends {
		why := reasonOf(r.Context(), b.Engine, id)
		more, err := b.Engine.Decide(r.Context(), id, desk.Decision{By: by, Reason: d.Reason, Approve: decision == "approve", Two: c.Approvals != nil && c.Approvals() > 1})
		switch {
		case errors.Is(err, desk.ErrSameOperator):
			refuse(w, http.StatusConflict, "you approved this hold already: it needs two operators, so another one must approve it")
		case errors.Is(err, desk.ErrCaused):
			refuse(w, http.StatusConflict, "your reload caused this hold: it needs two operators, and you are neither of them")
		case errors.Is(err, desk.ErrNoHold):
			continue
		case errors.Is(err, desk.ErrChanged):
			c.holdChanged(w, r)
		case errors.Is(err, desk.ErrProtected):
			refuse(w, http.StatusConflict, "the configuration protects this user: remove the user from `protect` or `own_account` and run `scimbridge reload`, or reject the hold")
		case err != nil:
			refuse(w, http.StatusServiceUnavailable, "the decision cannot be stored now; nothing was changed")
		default:
			done := map[string]string{"id": id, "decision": decision, "why": why}
			if more {
				done["more"] = "approval"
			}
			answer(w, http.StatusOK, done)
		}
		return
	}
	refuse(w, http.StatusNotFound, "no such hold; `scimbridge hold list` lists them")
}

// reasonOf returns the reason of a hold; "" if there is no such hold.
func reasonOf(ctx context.Context, e Engine, id string) string {
	holds, err := e.Holds(ctx)
	if i := slices.IndexFunc(holds, func(h desk.Hold) bool { return h.ID == id }); err == nil && i >= 0 {
		return holds[i].Why
	}
	return ""
}

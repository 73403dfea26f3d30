package console

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/plan"
)

// ReloadRequest is what an operator asks of a reload. Revocations that come of the changed mapping alone are held,
// unless they are those of a saved plan, or not more than AllowRevocations.
type ReloadRequest struct {
	By Decision `json:"-"` // whose it is

	File             string         `json:"file,omitempty"` // which file is meant, absolute; another than the server's is refused
	AllowRevocations int            `json:"allow_revocations,omitempty"`
	Plan             []desk.Preview `json:"plan,omitempty"` // a saved plan, which must still fit
}

// Reloaded is what a reload did.
type Reloaded struct {
	File        string         `json:"file"`
	SHA256      string         `json:"sha256"`
	Revocations int            `json:"revocations"`         // that come of the changed mapping alone
	Allowed     bool           `json:"revocations_allowed"` // else they are held
	Approvals   int            `json:"approvals"`           // how many operators must approve a hold
	Plan        []desk.Preview `json:"plan"`
}

// OnlyByRules counts what only the changed mapping takes away in plans.
func OnlyByRules(all []desk.Preview) (n int) {
	for _, p := range all {
		for _, h := range p.Held {
			if h.Why == plan.ChangedRules {
				n++
			}
		}
	}
	return n
}

// maxReload bounds a request to reload: a saved plan of a large directory is long.
const maxReload = 64 << 20

func (c *Console) reload(w http.ResponseWriter, r *http.Request) {
	var asked ReloadRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReload)).Decode(&asked); err != nil && r.ContentLength != 0 {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			refuse(w, http.StatusRequestEntityTooLarge, "the saved plan has more than 64 MiB")
			return
		}
		refuse(w, http.StatusBadRequest, "the body is no request to reload: "+err.Error())
		return
	}
	if asked.AllowRevocations < 0 {
		refuse(w, http.StatusBadRequest, "allow_revocations must not be negative")
		return
	}
	by, ok := decisionOf(w, r)
	if asked.By = by; !ok || !withoutDeadline(w) {
		return
	}
	done, err := c.Reload(r.Context(), asked)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, done)
}

package console

import (
	"context"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
)

// operator is the actor in the audit trail of a request to the operator API.
const operator = "operator"

// Decision is who decides something, and why.
type Decision struct {
	Operator auth.Operator // zero: the process itself, on a signal
	Reason   string        // in the words of the operator
	Request  string        // request id
}

// Sign adds to an event the operator, how the operator signed in, and the reason.
func (d Decision) Sign(e store.Event) store.Event {
	e.Actor, e.Request, e.Reason = operator, d.Request, d.Reason
	if d.Operator.Name != "" {
		e.Token = d.Operator.Credential()
	}
	return e
}

type operatorKey struct{}

// withOperator adds the operator to a request.
func withOperator(r *http.Request, who auth.Operator) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), operatorKey{}, who))
}

// operatorOf returns the operator of a request; its role is zero if there is none.
func operatorOf(r *http.Request) auth.Operator {
	who, _ := r.Context().Value(operatorKey{}).(auth.Operator)
	return who
}

// needs serves requests of operators with at least a role.
func needs(least auth.Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if who := operatorOf(r); who.Role < least {
			refuse(w, http.StatusForbidden, "the operator "+who.Name+" has the role "+who.Role.String()+"; this needs "+least.String()+": use another key, "+
				"or change the role in `operators` of the configuration and reload")
			return
		}
		next(w, r)
	}
}

// maxReason limits the reason of a decision, in bytes.
const maxReason = 1000

// decision returns whose request it is and why. Without ok the request was refused.
func decisionOf(w http.ResponseWriter, r *http.Request) (d Decision, ok bool) {
	d = Decision{operatorOf(r), strings.TrimSpace(r.URL.Query().Get("reason")), uuid.NewString()}
	if len(d.Reason) > maxReason || !utf8.ValidString(d.Reason) || strings.ContainsFunc(d.Reason, unicode.IsControl) {
		refuse(w, http.StatusBadRequest, "a reason is one line of at most 1000 bytes; nothing was changed")
		return d, false
	}
	w.Header().Set("X-Request-Id", d.Request)
	return d, true
}

// note appends an event to the audit trail. Without ok it could not, and the request was refused.
func (c *Console) note(w http.ResponseWriter, r *http.Request, events ...store.Event) (ok bool) {
	err := c.Store.Update(r.Context(), func(tx store.Tx) error {
		for _, e := range events {
			if _, err := tx.Events().Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, notStored)
	}
	return err == nil
}

// notStored refuses what cannot be recorded.
const notStored = "this cannot be stored now; nothing was changed"

// copies serves a copy of the store, which the audit trail records before it is read.
func (c *Console) copies(kind string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d, ok := decisionOf(w, r)
		if ok && c.note(w, r, d.Sign(store.Event{At: c.now().UTC(), Type: kind})) {
			next(w, r)
		}
	}
}

package delivery

import (
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// maxCauses is how many groups an event names: nobody needs more to see why.
const maxCauses = 20

// because remembers which groups give a role, for the audit trail.
func (a *account) because(idp string, g mapping.Grant) {
	if a.causes == nil {
		a.causes = map[string][]string{}
	}
	for _, r := range g.From {
		if len(a.causes[g.Role]) == maxCauses {
			return
		}
		cause := idp + "/" + r.Group.DisplayName
		if r.Rule.Line > 0 {
			cause += fmt.Sprintf(" (rule in line %d)", r.Rule.Line)
		}
		a.causes[g.Role] = append(a.causes[g.Role], cause)
	}
}

// event tells that the backend has, or has no longer, what an entry of an account says, and how that is known.
func (w *Worker) event(e store.Entry, a *account, want, adopted bool, evidence string, now time.Time) store.Event {
	out := store.Event{At: now, Type: "revoke", Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Evidence: evidence}
	switch {
	case adopted:
		out.Type = "adopt"
	case want:
		out.Type = "grant"
	case e.Approved:
		out.Detail = "an operator approved it"
	case a.offboarded:
		out.Detail = "deactivated or deleted"
	default:
		out.Detail = "no group gives it"
	}
	if want {
		out.Causes = a.causes[e.Role]
	}
	if len(a.people) == 1 {
		out.IdP, out.Subject = a.people[0].IdP, a.people[0].User
	}
	if e.Account == store.TargetItself {
		out.Type += ".permission_set"
	}
	return out
}

// readBack tells of a grant that no answer confirmed and that is there all the same.
func (w *Worker) readBack(tx store.Tx, e store.Entry) error {
	if !e.Wanted {
		return nil
	}
	a := &account{Account: backend.Account{ID: e.Account}}
	if err := w.load(tx, e.Target, e.Account, a); err != nil {
		return err
	}
	_, err := tx.Events().Append(w.event(e, a, true, false, "no clean answer; read back", w.now()))
	return err
}

// noticed tells of a grant of ours that somebody took away, or of one that nobody gave through the bridge and that it takes over to
// remove it.
func (w *Worker) noticed(tx store.Tx, kind, evidence string, e store.Entry) error {
	_, err := tx.Events().Append(store.Event{At: w.now(), Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Evidence: evidence})
	return err
}

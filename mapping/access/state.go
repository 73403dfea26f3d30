package access

import (
	"strings"

	"github.com/scimbridge/scimbridge/mapping/reason"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// mark is what a report needs of a mark: why it is blocked, and who asked for it.
type mark struct {
	blocked     string // the reason; "": it is not
	request, by string
}

// ofEntry fills in how a grant of the ledger stands; w is nil if no group gives it.
func (t *target) ofEntry(r *Row, e *store.Entry, w *wanted, m mark) {
	given := w != nil && !w.held
	r.Has, r.Hold = Dark, e.Hold
	if e.State == store.Present && !e.Open && e.Doubt.IsZero() {
		r.Has = Yes
	}
	if r.Change = ToRevoke; given {
		r.Change = ToGrant
	}
	switch {
	case e.Hold != "":
		r.State, r.Reason, r.Change = Held, e.Why, ToRevoke
	case e.Open:
		r.State, r.Reason = InDoubt, "call_under_way"
	case !e.Doubt.IsZero():
		r.State, r.Reason = InDoubt, e.Note
	case m.blocked != "" && (e.State != store.Present || !given):
		r.State, r.Reason = Blocked, m.blocked
	case e.State != store.Present:
		r.State, r.Reason = InDoubt, e.Note
	case given:
		r.State, r.Change = stands(e), ""
	default:
		t.unwanted(r, e)
	}
	t.history(r, e)
}

// stands is the state of a grant that is there.
func stands(e *store.Entry) string {
	if e.Adopted {
		return Adopted
	}
	return Granted
}

// unwanted fills in how a grant stands that is there and that no group gives.
func (t *target) unwanted(r *Row, e *store.Entry) {
	r.State, r.Change = stands(e), ""
	of := t.src.Backends[t.backend]
	switch {
	case of.Mode == "observe":
		r.Reason = OnlyReads
	case of.Mode == "add_only":
		r.Reason = OnlyAdds
	case t.rules.Frozen(mapping.Target{Backend: of.Name, Target: e.Target}, e.Role):
		r.Reason = RulePaused
	default:
		r.State, r.Change = Pending, ToRevoke
	}
}

// history fills in since when a grant of the ledger stands, who asked for it, and what confirmed it
// last.
func (t *target) history(r *Row, e *store.Entry) {
	g, known := t.trail.past(r.Backend, e.Target, e.Account, e.Role)
	r.Since = e.Since.UTC()
	if known && (g.since != 0 && !e.Since.Before(instant(g.since)) || e.Since.IsZero()) {
		r.Since = instant(g.since)
	}
	if known {
		t.trail.asked(r, g)
		if len(r.From) == 0 {
			r.From = t.trail.causesOf(g.causes)
		}
		t.trail.confirmed(r, g)
	}
	if e.Note == "ok" && e.Wanted && e.Sent.After(r.Confirmed) {
		r.Confirmed, r.ConfirmedBy = e.Sent.UTC(), ByAnswer
	}
	if e.State == store.Present && e.Missed == 0 && t.shows(e.Role) && t.comparison.At.After(r.Confirmed) && t.comparison.At.After(e.Sent) {
		r.Confirmed, r.ConfirmedBy = t.comparison.At.UTC(), ByComparison
	}
}

// shows reports whether the last comparison of the target tells who has a role.
func (t *target) shows(role string) bool {
	return showsRole(t.comparison, role)
}

func showsRole(c record.Comparison, role string) bool {
	return c.Shows == record.AnyRole || role != "" && c.Shows == role
}

// withoutEntry fills in how a grant stands that a group gives and that is not in the ledger.
func (t *target) withoutEntry(r *Row, w *wanted, m mark) {
	r.Has, r.Change, r.Request, r.RequestedBy = Dark, ToGrant, m.request, m.by
	if m.blocked == reason.NoAccount || t.shows(w.role) { // the last comparison did not see it
		r.Has = No
	}
	grant, seen := t.outside[[2]string{r.Account, r.Role}]
	switch {
	case seen && r.Account != "":
		t.seen(r, grant)
		r.Change = ToAdopt
	case w.held:
		r.State, r.Reason = Held, Pin
	case m.blocked != "":
		r.State, r.Reason = Blocked, m.blocked
	default:
		r.State = Pending
		if t.src.Backends[t.backend].Mode == "observe" {
			r.Reason = OnlyReads
		}
	}
}

// seen fills in a grant at the vendor that is not in the ledger.
func (t *target) seen(r *Row, s record.ForeignGrant) {
	r.State, r.Has, r.Reason, r.Since = Unmanaged, Yes, Foreign, s.Since.UTC()
	key, known := t.trail.lookUp(r.Backend, r.Target, s.Account, s.Role)
	if _, given := t.trail.given[key]; known && given || t.disowned[[2]string{s.Account, s.Role}] {
		t.gaveUp(r)
	}
	r.Confirmed, r.ConfirmedBy = t.comparison.At.UTC(), ByComparison
}

// gaveUp fills in a grant that the bridge disowned.
func (t *target) gaveUp(r *Row) {
	r.State, r.Reason = Unmanaged, Disowned
	key, known := t.trail.lookUp(r.Backend, r.Target, r.Account, r.Role)
	g, there := t.trail.given[key]
	if !known || !there {
		return
	}
	r.Since, r.From = instant(g.since), t.trail.causesOf(g.causes)
	t.trail.asked(r, g)
	t.trail.confirmed(r, g)
}

// about reports whether a query is about a role of a target.
func (q *Query) about(target, role string) bool {
	return (q.Target == "" || q.Target == target) &&
		(q.Role == "" || target == q.Role || strings.EqualFold(role, q.Role) || store.Fold(role) == store.Fold(q.Role))
}

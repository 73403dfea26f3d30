package plan

import (
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Why a revocation is held.
const (
	Protected    = "protected"
	OwnAccount   = "own_account"
	LastAdmin    = "last_admin"
	EmptiesRole  = "empties_role"
	Removals     = "max_removals"
	Offboardings = "max_offboardings"
	ChangedRules = "changed_rules" // no group of the user changed
)

// wholeTeam is from how many holders on revoking a role from all of them is held.
const wholeTeam = 5

// classify takes out what is held however many others there are, and what is no new revocation: what
// was approved, what is held already, and what was begun before.
func (r *run) classify() {
	for _, id := range r.ids {
		d := r.drafts[id]
		fresh := false
		if d.untouchable = r.Untouchable(d.Account.Account); d.untouchable != "" {
			d.Replace = false // it would clear what the ledger does not know of
		}
		for _, role := range d.Remove {
			e := d.Owned[role]
			switch {
			case d.untouchable != "":
				d.hold(role, d.untouchable)
			case e.Approved, e.Hold == "" && !revocable(e):
			case e.Hold != "" && !dissolves(e.Why) && !(d.Offboarded && ordinary(e.Why)):
				d.hold(role, e.Why)
			case r.onlyByRules(d, role):
				d.hold(role, ChangedRules)
			default:
				fresh = true
			}
		}
		if d.Replace {
			r.replaced = append(r.replaced, d)
		}
		switch {
		case !fresh:
		case id == store.TargetSettings:
			r.sets = d
		case d.Offboarded:
			r.leaving = append(r.leaving, d)
		default:
			r.ordinary = append(r.ordinary, d)
		}
	}
}

// onlyByRules reports whether a revocation waits for a decision about the changed rules: the rules before would give
// the role to the account as its groups are now. Of rules that everything was compared with since, only what is held
// already waits.
func (r *run) onlyByRules(d *draft, role string) bool {
	e := d.Owned[role]
	held := e.Hold != "" && e.Why == ChangedRules
	switch {
	case d.Offboarded || !d.Former[role] && !(held && r.s.Rules.Cut):
		return false
	case r.s.Rules.Allowed:
		if d.allowed == nil {
			d.allowed = map[string]bool{}
		}
		d.allowed[role] = true
		return false
	}
	return held || r.s.Rules.Fresh && revocable(e)
}

// dissolves reports whether a hold ends when its reason does: any other waits for an operator.
func dissolves(why string) bool {
	return why == Protected || why == OwnAccount || why == LastAdmin || why == ChangedRules
}

// ordinary are the reasons that hold no off-boarding: it has a limit of its own.
func ordinary(why string) bool { return why == Removals || why == EmptiesRole }

// Untouchable returns why an account never loses a role; "" if it may.
func (p Planner) Untouchable(a backend.Account) string {
	switch {
	case slices.Contains(p.Protect, a.Key):
		return Protected
	case p.OwnAccount != "" && (p.OwnAccount == a.ID || backend.Fold(p.OwnAccount) == a.Key):
		return OwnAccount
	}
	return ""
}

func (d *draft) hold(role, why string) {
	if d.Held == nil {
		d.Held = map[string]string{}
	}
	d.Held[role] = why
}

// revocable reports whether a revocation is a new one: the grant may be there, and no revocation was
// begun.
func revocable(e store.Entry) bool { return e.State != store.Absent && e.Wanted }

// fresh lists the roles of an account whose revocation is new and not held yet.
func (d *draft) fresh() (out []string) {
	for _, role := range d.Remove {
		e := d.Owned[role]
		if d.Held[role] == "" && (e.Hold != "" || !e.Approved && revocable(e)) {
			out = append(out, role)
		}
	}
	return out
}

// limited lists those of the fresh that a limit applies to: an operator let the others go with the rules.
func (d *draft) limited() []string {
	return slices.DeleteFunc(d.fresh(), func(role string) bool { return d.allowed[role] })
}

// measures reports whether the ledger of the target must be known.
func (r *run) measures() bool {
	if len(r.ordinary)+len(r.leaving)+len(r.replaced) > 0 || r.sets != nil {
		return true
	}
	for _, d := range r.drafts {
		if len(d.Held) > 0 || d.ID == store.TargetSettings && len(d.Remove) > 0 {
			return true
		}
	}
	return false
}

// keepDisowned leaves accounts out of Replace if an operator rejected to revoke something of theirs.
func (r *run) keepDisowned() {
	r.replaced = slices.DeleteFunc(r.replaced, func(d *draft) bool {
		d.Replace = d.Replace && len(r.ledger.Disowned[d.ID]) == 0
		return !d.Replace
	})
}

// keepTeams holds what would revoke a role of five or more accounts from all of them. That others get
// it at the same time does not count: the vendor may refuse them.
func (r *run) keepTeams() {
	losing := map[string]map[string]bool{}
	for id, d := range r.drafts {
		for _, role := range d.Remove {
			if losing[role] == nil {
				losing[role] = map[string]bool{}
			}
			losing[role][id] = true
		}
	}
	for role, holders := range r.ledger.Holders {
		if len(holders)+len(r.ledger.Begun[role]) < wholeTeam || len(losing[role]) < len(holders) || !contains(losing[role], holders) {
			continue
		}
		for _, d := range r.ordinary {
			if slices.Contains(d.limited(), role) {
				d.hold(role, EmptiesRole)
			}
		}
	}
}

func contains(all, some map[string]bool) bool {
	for k := range some {
		if !all[k] {
			return false
		}
	}
	return true
}

// withholdHeld takes what is held out of what is sent, and lists the holds that begin and end: one
// ends because its grant is wanted again, or because its reason is gone.
func (r *run) withholdHeld() {
	for _, id := range r.ids {
		d := r.drafts[id]
		for _, role := range slices.Sorted(maps.Keys(d.Owned)) {
			e, why := d.Owned[role], d.Held[role]
			switch {
			case why != "" && e.Why != why:
				d.Holds = append(d.Holds, HoldChange{Role: role, Why: why})
			case why == "" && d.keeps(role, e):
				d.Holds = append(d.Holds, HoldChange{Role: role, Wanted: true})
			case why == "" && e.Hold != "":
				d.Holds = append(d.Holds, HoldChange{Role: role})
			}
		}
		if len(d.Held) > 0 {
			d.Remove = slices.DeleteFunc(slices.Clone(d.Remove), func(role string) bool { return d.Held[role] != "" })
			d.Replace = false
		}
	}
}

// keeps reports whether a grant whose revocation was begun, approved or held is wanted again: the next
// revocation is a new one.
func (d *draft) keeps(role string, e store.Entry) bool {
	_, want := d.Want[role]
	return want && e.State == store.Present && (!e.Wanted || e.Approved || e.Hold != "")
}

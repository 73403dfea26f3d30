package delivery

import (
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// byAuthoritative is the note of a foreign grant that the ledger took over because an authoritative
// rule does not give it.
const byAuthoritative = "foreign_authoritative"

// takeForeign takes over a foreign grant that an authoritative rule does not give, to be removed
// under the brakes.
func (w *Worker) takeForeign(tx store.Tx, g foreignGrant, key string) error {
	if err := w.takeOver(tx, g, key, w.byResync()); err != nil {
		return err
	}
	e, err := tx.Ledger(w.Name).Entry(g.target, g.account, g.role)
	if err != nil {
		return err
	}
	e.Note = byAuthoritative
	return tx.Ledger(w.Name).PutEntry(e)
}

// authoritative returns, for the roles of a target, whether an authoritative rule speaks for them
// as the directory is now.
func (w *Worker) authoritative(tx store.Tx, target string, groups []mapping.Named) func(role string) bool {
	rules, known := w.rules(tx), map[string]bool{}
	return func(role string) bool {
		speaks, asked := known[role]
		if !asked {
			speaks = rules.Authoritative(mapping.Target{Backend: w.Name, Target: target}, role, groups)
			known[role] = speaks
		}
		return speaks
	}
}

// loadSilenced notes the foreign grants of an account whose authoritative rule no longer speaks,
// because no group of it is in the directory any more: they are not the bridge's to revoke. All groups
// are read once for a snapshot.
func (w *Worker) loadSilenced(tx store.Tx, target string, a *account, speaks *func(string) bool) error {
	for role, e := range a.Ledger {
		if e.Note != byAuthoritative || !e.Wanted || e.Open {
			continue
		}
		if *speaks == nil {
			groups, err := allGroups(tx)
			if err != nil {
				return err
			}
			*speaks = w.authoritative(tx, target, groups)
		}
		if !(*speaks)(role) {
			a.Silenced = append(a.Silenced, role)
		}
	}
	return nil
}

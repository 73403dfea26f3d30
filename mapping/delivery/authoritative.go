package delivery

import (
	"context"
	"fmt"
	"slices"

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

// silenced takes foreign grants out of a visit whose authoritative rule speaks no longer, because
// no group of it is in the directory any more, and returns them: they are not the bridge's to
// remove.
func (w *Worker) silenced(tx store.Tx, target string, v *visitWork) (out []store.Entry, err error) {
	var speaks func(string) bool
	for _, a := range v.accounts {
		for role, e := range a.mine {
			if e.Note != byAuthoritative || !e.Wanted || e.Open || !slices.Contains(a.remove, role) {
				continue
			}
			if speaks == nil {
				groups, err := allGroups(tx)
				if err != nil {
					return nil, err
				}
				speaks = w.authoritative(tx, target, groups)
			}
			if !speaks(role) {
				out = append(out, e)
			}
		}
	}
	for _, e := range out {
		a := v.accounts[e.Account]
		delete(a.mine, e.Role)
		a.remove = slices.DeleteFunc(a.remove, func(role string) bool { return role == e.Role })
	}
	return out, nil
}

// disownSilenced disowns the foreign grants whose authoritative rule speaks no longer.
func (w *Worker) disownSilenced(ctx context.Context, target string, v *visitWork) error {
	var silent []store.Entry
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		silent, err = w.silenced(tx, target, v)
		return err
	})
	if err != nil || len(silent) == 0 {
		return err
	}
	now := w.now()
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		for _, e := range silent {
			current, err := entry(tx.Ledger(w.Name), e.Target, v.accounts[e.Account], e.Role)
			if err != nil || current.Attempt != e.Attempt || current.Hold != e.Hold {
				return err // decided meanwhile: the next visit sees it
			}
			if err := tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role); err != nil {
				return err
			}
			if err := w.noticed(tx, "disown", "no group of the authoritative rule is there", e, w.byResync()); err != nil {
				return err
			}
		}
		return w.wake(tx, now, func(m store.Mark) bool {
			return m.State == store.Held && slices.ContainsFunc(silent, func(e store.Entry) bool { return e.Hold == m.Reason })
		})
	})
	if err != nil {
		return fmt.Errorf("disowning foreign grants: %w", err)
	}
	return nil
}

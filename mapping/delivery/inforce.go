package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/reason"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// inForce is the policy that the worker goes by: that of the last Remap, which the store knows of, so that what was delivered under
// another is looked at again however short it was in force. Of a worker that never runs it is what Policy gives.
func (w *Worker) inForce() view.Policy {
	if p := w.remapped.Load(); p != nil {
		return *p
	}
	return w.Policy()
}

// Remap marks every target of this backend if the rules, or what the worker may do, differ from those last
// marked for; names are bound as the rules pin them. It is called at the start and after a reload.
func (w *Worker) Remap(ctx context.Context) error {
	policy, setting := w.Policy(), memory.MappingKey(w.Name)
	w.remapped.Store(&policy)
	rules, want := policy.Rules, w.GoesBy(policy)
	var kept memory.Rules
	now := w.Clock()
	var used []string // which the worker alone changes
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		if string(tx.Setting(setting)) != want {
			used, err = w.Used(tx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("listing what a changed mapping concerns: %w", err)
	}
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		var err error
		if kept, err = w.keepRules(tx, rules); err != nil || string(tx.Setting(setting)) == want {
			return err
		}
		if err := errors.Join(pin.Unbind(tx, rules, w.Name), pin.BindAll(tx, rules, w.Name, now)); err != nil {
			return err
		}
		targets, err := w.Named(tx)
		if err != nil {
			return err
		}
		targets = append(targets, used...)
		slices.Sort(targets)
		for _, t := range slices.Compact(targets) {
			if err := tx.Work(w.Name).Touch(t, now, store.Origin{Initiator: memory.ByRules, At: now}, store.Subject{}); err != nil {
				return err
			}
		}
		return tx.SetSetting(setting, []byte(want))
	})
	if err != nil {
		return fmt.Errorf("marking what a changed mapping concerns: %w", err)
	}
	return w.takeFormer(kept)
}

// keepRules notes in the store which rules are in force, and keeps those before until what only the change takes away
// is decided. What an operator lets go is looked at again.
func (w *Worker) keepRules(tx store.Tx, rules *mapping.Rules) (memory.Rules, error) {
	kept, err := memory.RulesOf(tx, w.Name)
	if err != nil {
		return kept, err
	}
	held, err := memory.HeldByRules(tx, w.Name)
	if err != nil {
		return kept, err
	}
	print, before := rules.Fingerprint(w.Name), kept
	if kept.Print != print {
		raw, err := json.Marshal(rules.Of(w.Name))
		if err != nil {
			return kept, fmt.Errorf("keeping the rules in force: %w", err)
		}
		if !kept.Fresh && len(held) == 0 {
			kept.Former, kept.Cut = nil, false
		}
		if kept.Print != "" {
			kept.Former, kept.Fresh = withFormer(kept.Former, kept.InForce), true
			if more := len(kept.Former) - mostFormer; more > 0 {
				kept.Former, kept.Cut = kept.Former[more:], true
			}
		}
		if kept.Print, kept.InForce = print, raw; kept.Allowed != print { // it was for others
			kept.Allowed = ""
		}
	}
	if len(held) > 0 && kept.Allowed == print {
		err := w.Wake(tx, w.Clock(), func(m store.Mark) bool { return m.State == store.Held && slices.Contains(held, m.Reason) })
		if err != nil {
			return kept, err
		}
	}
	if kept.Print == before.Print {
		return kept, nil
	}
	return kept, kept.Put(tx, w.Name)
}

// mostFormer is of how many changes the rules before are kept until all is decided. Of older ones nothing new is held;
// what is held stays so.
const mostFormer = 30

// withFormer adds rules to those of before, each once.
func withFormer(all []json.RawMessage, rules json.RawMessage) []json.RawMessage {
	return append(slices.DeleteFunc(slices.Clone(all), func(o json.RawMessage) bool { return bytes.Equal(o, rules) }), rules)
}

// takeFormer goes by the rules before a change as the store has them. If they cannot be read, nothing is held by them:
// the limits still hold much at once.
func (w *Worker) takeFormer(kept memory.Rules) error {
	if w.View.Where == nil {
		return nil
	}
	former, err := view.FormerOf(kept, w.View.Where)
	if err != nil {
		w.Log.Warn("the rules before the last change cannot be read: what the change takes away is held by the limits alone", "backend", w.Name, "error", err)
	}
	w.former, w.formerAt, w.formerWait = former, w.Clock(), formerFirst
	return nil
}

// It is looked whether everything was compared with changed rules after formerFirst, and then ever less often. Until it
// was, a revocation that the former rules would not have asked for is held.
const (
	formerFirst = 100 * time.Millisecond
	formerBusy  = 5 * time.Second // while there is something to do
	formerLast  = time.Minute
)

// endFormer forgets the rules before a change once everything was compared with the new ones, and what they take away
// is decided. It returns when to look again; zero: after a decision.
func (w *Worker) endFormer(ctx context.Context, idle bool) (again time.Time, err error) {
	if len(w.former.Rules) == 0 || w.ModeNow() != view.Sync {
		return again, nil
	}
	after := w.formerWait
	if !idle {
		after = max(after, formerBusy)
	}
	if at := w.formerAt.Add(after); at.After(w.Clock()) {
		if w.former.Fresh {
			again = at
		}
		return again, nil
	}
	w.formerAt = w.Clock()
	var fresh bool
	var held []string
	err = w.Store.View(ctx, func(tx store.Tx) (err error) {
		if fresh = w.former.Fresh; fresh {
			if fresh, err = w.comparing(tx); err != nil {
				return err
			}
		}
		held, err = memory.HeldByRules(tx, w.Name)
		return err
	})
	over := err == nil && !fresh && len(held) == 0
	if err == nil && (over || fresh != w.former.Fresh) {
		err = w.decideFormer(ctx, fresh, over)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("looking whether a changed mapping is decided: %w", err)
	}
	if w.former.Fresh {
		w.formerWait = min(2*w.formerWait, formerLast)
		again = w.formerAt.Add(w.formerWait)
	}
	return again, nil
}

// decideFormer writes how far the decision about a changed mapping is.
func (w *Worker) decideFormer(ctx context.Context, fresh, over bool) error {
	var kept memory.Rules
	err := w.Store.Update(ctx, func(tx store.Tx) (err error) {
		if kept, err = memory.RulesOf(tx, w.Name); err != nil {
			return err
		}
		if kept.Fresh = fresh; over {
			if kept.Former, kept.Cut = nil, false; kept.Allowed == kept.Print {
				kept.Allowed = ""
			}
		}
		return kept.Put(tx, w.Name)
	})
	if err != nil {
		return err
	}
	return w.takeFormer(kept)
}

// comparing reports whether something is still to be compared with the rules in force.
func (w *Worker) comparing(tx store.Tx) (bool, error) {
	for m, err := range tx.Work(w.Name).Marks("") {
		waits := m.State == store.Pending || m.State == store.Blocked && reason.Block(m.Reason).Target
		if err != nil || waits && (m.Subject == store.Subject{} || m.Origin.Initiator == memory.ByRules) {
			return true, err
		}
	}
	return false, nil
}

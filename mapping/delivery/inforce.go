package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// InForce is the fingerprint of the rules by which a backend is delivered to; "" before any replica has.
func InForce(tx store.Tx, backend string) string {
	print, _, _ := strings.Cut(string(tx.Setting(mappingKey(backend))), " ")
	return print
}

func mappingKey(backend string) string { return "mapping/" + backend }

// called names the setting that says that the backend was ever called to change something.
func (w *Worker) called() string { return "called/" + w.Name }

// inForce are the rules that the worker goes by: those of the last Remap, which the store knows of, so that what was delivered under
// others is looked at again however short they were in force. Of a worker that never runs they are those of Rules.
func (w *Worker) inForce() *mapping.Rules {
	if r := w.remapped.Load(); r != nil {
		return r
	}
	return w.Rules()
}

// goesBy is what the store says of the rules, and of what the worker may do, once all targets are marked
// for them.
func (w *Worker) goesBy(rules *mapping.Rules) string {
	return fmt.Sprintf("%s %s %s %q %q", rules.Fingerprint(w.Name), w.Match, w.mode(), w.Protect, w.OwnAccount)
}

// Remap marks every target of this backend if the rules, or what the worker may do, differ from those last
// marked for; names are bound as the rules pin them. It is called at the start and after a reload.
func (w *Worker) Remap(ctx context.Context) error {
	rules, setting := w.Rules(), mappingKey(w.Name)
	w.remapped.Store(rules)
	want := w.goesBy(rules)
	now := w.now()
	var used []string // which the worker alone changes
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		if string(tx.Setting(setting)) != want {
			used, err = w.used(tx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("listing what a changed mapping concerns: %w", err)
	}
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		if string(tx.Setting(setting)) == want {
			return nil
		}
		if err := errors.Join(unbind(tx, rules, w.Name), bindAll(tx, rules, w.Name, now)); err != nil {
			return err
		}
		targets, err := w.named(tx)
		if err != nil {
			return err
		}
		targets = append(targets, used...)
		slices.Sort(targets)
		for _, t := range slices.Compact(targets) {
			if err := tx.Work(w.Name).Touch(t, now, store.Origin{Initiator: byRules, At: now}, store.Subject{}); err != nil {
				return err
			}
		}
		return tx.SetSetting(setting, []byte(want))
	})
	if err != nil {
		return fmt.Errorf("marking what a changed mapping concerns: %w", err)
	}
	return nil
}

// named are the targets that the rules name, and those that groups give by a pattern.
func (w *Worker) named(tx store.Tx) ([]string, error) {
	out := w.inForce().FixedTargets(w.Name)
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			for _, t := range w.inForce().Targets(idp, g) {
				if t.Backend == w.Name {
					out = append(out, t.Target)
				}
			}
		}
	}
	return out, nil
}

// targets returns those that are named, and those in use.
func (w *Worker) targets(tx store.Tx) ([]string, error) {
	out, err := w.named(tx)
	if err != nil {
		return nil, err
	}
	used, err := w.used(tx)
	out = append(out, used...)
	slices.Sort(out)
	return slices.Compact(out), err
}

// used returns the targets of the ledger and of marks. It reads all of both.
func (w *Worker) used(tx store.Tx) (out []string, err error) {
	for e, err := range tx.Ledger(w.Name).Entries("", "") {
		if err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1] != e.Target {
			out = append(out, e.Target)
		}
	}
	for m, err := range tx.Work(w.Name).Marks("") { // also what waits where nothing is given any more
		if err != nil {
			return nil, err
		}
		if m.Target == store.AnyTarget {
			continue
		}
		if out = append(out, m.Target); len(out) > 1 && out[len(out)-2] == m.Target {
			out = out[:len(out)-1]
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/store"
)

// inForce are the rules that the worker goes by: those of the last Remap, which the store knows of, so that what was delivered under
// others is looked at again however short they were in force. Of a worker that never runs they are those of Rules.
func (w *Worker) inForce() *mapping.Rules {
	if r := w.remapped.Load(); r != nil {
		return r
	}
	return w.Rules()
}

// Remap marks every target of this backend if the rules, or what the worker may do, differ from those last
// marked for; names are bound as the rules pin them. It is called at the start and after a reload.
func (w *Worker) Remap(ctx context.Context) error {
	rules, setting := w.Rules(), memory.MappingKey(w.Name)
	w.remapped.Store(rules)
	want := w.GoesBy(rules)
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
		if string(tx.Setting(setting)) == want {
			return nil
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
	return nil
}

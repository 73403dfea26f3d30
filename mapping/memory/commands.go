package memory

import (
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Asked reports whether a command waits for the replica that delivers.
func (w *Memory) Asked(tx store.Tx) (bool, error) {
	resync, err := w.IsAsked(tx, store.CommandResync)
	if err != nil || resync {
		return resync, err
	}
	return w.IsAsked(tx, store.CommandRetry)
}

// Wake touches the marks that are chosen: they are looked at again.
func (w *Memory) Wake(tx store.Tx, now time.Time, chosen func(store.Mark) bool) error {
	var marks []store.Mark
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return err
		}
		if chosen(m) {
			marks = append(marks, m)
		}
	}
	for _, m := range marks {
		if err := tx.Work(w.Name).Touch(m.Target, now, store.Origin{}, m.Subject); err != nil {
			return err
		}
	}
	return nil
}

// Ask leaves a command in the store for the replica that delivers.
func (w *Memory) Ask(tx store.Tx, command string) error {
	return store.Put(tx, store.Command{Name: command, Backend: w.Name, Value: "yes"})
}

// IsAsked reports whether a command waits.
func (w *Memory) IsAsked(tx store.Tx, command string) (bool, error) {
	_, there, err := store.Get(tx, store.Command{Name: command, Backend: w.Name})
	return there, err
}

// TakeCommand takes a command out of the store.
func (w *Memory) TakeCommand(tx store.Tx, command string) (bool, error) {
	there, err := w.IsAsked(tx, command)
	if err != nil || !there {
		return false, err
	}
	return true, store.Delete(tx, store.Command{Name: command, Backend: w.Name})
}

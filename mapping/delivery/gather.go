package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// gather finds the targets that are due, the one with the oldest work first, and when the next one will be. A
// target is due when its oldest mark has waited BatchWait or a batch is full.
func (w *Worker) gather(ctx context.Context) (due []string, next time.Time, err error) {
	type state struct {
		oldest time.Time
		ready  int
	}
	now := w.Now()
	targets := map[string]*state{}
	err = w.Store.View(ctx, func(tx store.Tx) error {
		for m, err := range tx.Work(w.Name).Marks("") {
			if err != nil {
				return fmt.Errorf("gathering marks: %w", err)
			}
			if m.State == store.Held {
				continue
			}
			if at := w.dueAt(m); at.After(now) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
				if m.NotBefore.After(now) {
					continue
				}
			}
			t := targets[m.Target]
			if t == nil {
				t = &state{oldest: m.Since}
				targets[m.Target] = t
			}
			t.ready++
			if m.Since.Before(t.oldest) {
				t.oldest = m.Since
			}
		}
		return nil
	})
	if err != nil {
		return nil, next, err
	}
	for target, t := range targets {
		if until := w.pausedUntil(target); !until.IsZero() {
			if next.IsZero() || until.Before(next) {
				next = until
			}
			continue
		}
		if t.ready >= w.BatchSize || !t.oldest.Add(w.BatchWait).After(now) {
			due = append(due, target)
		}
	}
	slices.SortFunc(due, func(a, b string) int { return targets[a].oldest.Compare(targets[b].oldest) })
	if len(due) > 0 {
		next = now
	}
	return due, next, nil
}

// dueAt is when a mark alone would make its target due.
func (w *Worker) dueAt(m store.Mark) time.Time {
	at := m.Since.Add(w.BatchWait)
	if m.NotBefore.After(at) {
		at = m.NotBefore
	}
	return at
}

// visit bounds how much of a target is worked on before the other targets have their turn.
func (w *Worker) visit() int { return max(4*w.BatchSize, 100) }

// marksOf reads what may be worked on now, at most one visit's worth.
func (w *Worker) marksOf(tx store.Tx, target string) ([]store.Mark, error) {
	now := w.Now()
	var out []store.Mark
	for m, err := range tx.Work(w.Name).Marks(target) {
		if err != nil {
			return nil, fmt.Errorf("reading marks: %w", err)
		}
		if m.State == store.Held || m.NotBefore.After(now) {
			continue
		}
		if out = append(out, m); len(out) >= w.visit() {
			break
		}
	}
	return out, nil
}

package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

const (
	// sealEvery is about the longest wait of an event for its place.
	sealEvery = time.Second
	// forgetEvery is the interval of searches for old events; batch is the number of events sealed in one
	// transaction, which other writers wait for.
	forgetEvery = 10 * time.Minute
	batch       = 200
	// noteEvery is the interval in which the head of the chain is logged, for operators who keep logs elsewhere.
	noteEvery = time.Hour
)

// Sealer gives places to committed events, and forgets old ones. Several may run on a store, in one process
// or many: each continues after the last place. The fields are set before Run.
type Sealer struct {
	Store store.Store
	Keep  time.Duration    // retention of events; 0: indefinitely
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: silent

	noted                    store.Seal // the last logged head
	sealFailed, forgetFailed bool       // the failure was logged
}

// Run seals until ctx ends, and then the remaining events.
func (s *Sealer) Run(ctx context.Context) {
	seal, forget, note := time.NewTicker(sealEvery), time.NewTicker(forgetEvery), time.NewTicker(noteEvery)
	defer seal.Stop()
	defer forget.Stop()
	defer note.Stop()
	for {
		select {
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealEvery)
			defer cancel()
			s.report(&s.sealFailed, cannotSeal, s.Seal(rest))
			s.note(rest)
			return
		case <-seal.C:
			s.report(&s.sealFailed, cannotSeal, s.Seal(ctx))
		case <-forget.C:
			s.report(&s.forgetFailed, cannotForget, s.Forget(ctx))
		case <-note.C:
			s.note(ctx)
		}
	}
}

const (
	cannotSeal   = "the audit trail cannot be sealed now; retrying"
	cannotForget = "old events cannot be forgotten now; retrying"
)

// report logs a failure once until it is over: retries follow soon, and no event is lost.
func (s *Sealer) report(failed *bool, message string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if err != nil && !*failed && s.Log != nil {
		s.Log.Warn(message, "error", err)
	}
	*failed = err != nil
}

// note logs the head of the chain if it has changed.
func (s *Sealer) note(ctx context.Context) {
	var head store.Seal
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		head, err = tx.Events().LastSeal()
		return err
	})
	if err != nil || s.Log == nil || head.Digest == s.noted.Digest {
		return
	}
	s.noted = head
	s.Log.Info("audit trail", "place", head.Place, "head", hex.EncodeToString(head.Digest[:]))
}

// Seal gives a place to every event that was committed before the call.
func (s *Sealer) Seal(ctx context.Context) error {
	for {
		seals, err := s.compute(ctx)
		if err != nil || len(seals) == 0 {
			return err
		}
		err = s.Store.Update(ctx, func(tx store.Tx) error { return tx.Events().Seal(seals...) })
		switch {
		case errors.Is(err, store.ErrConflict): // another sealer was faster; continue after it
		case err != nil:
			return fmt.Errorf("sealing the audit trail: %w", err)
		case len(seals) < batch:
			return nil
		}
	}
}

// compute chains the first events without a place, before the transaction that stores their seals.
func (s *Sealer) compute(ctx context.Context) (seals []store.Seal, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		seals = nil
		last, err := tx.Events().LastSeal()
		if err != nil {
			return err
		}
		for e, err := range tx.Events().Unsealed() {
			if err != nil {
				return err
			}
			last = store.Seal{Place: last.Place + 1, Event: e.Seq, Digest: digest(last.Digest, e)}
			if seals = append(seals, last); len(seals) == batch {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	return seals, nil
}

// Forget removes events beyond their retention, except those that delivery still needs.
func (s *Sealer) Forget(ctx context.Context) error {
	if s.Keep <= 0 {
		return nil
	}
	for {
		until, more, err := s.old(ctx)
		if err != nil || until == 0 {
			return err
		}
		var anchor store.Seal
		err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
			anchor, err = tx.Events().Forget(until)
			return err
		})
		if err != nil {
			return fmt.Errorf("forgetting old events: %w", err)
		}
		if !more || anchor.Place < until {
			return nil
		}
	}
}

// old returns the last of the first places, at most a page, whose events are all too old; 0 without one.
// more reports whether the next may be old too. An event that differs from its seal is kept as evidence.
func (s *Sealer) old(ctx context.Context) (until uint64, more bool, err error) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	limit := now().Add(-s.Keep)
	v := verifier{reader: reader{store: s.Store, loose: map[uint64]bool{}}}
	page, err := v.next(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("looking for old events: %w", err)
	}
	for _, p := range page {
		v.Broken = v.wrong(p)
		if v.Broken != "" || !p.event.At.Before(limit) {
			break
		}
		v.last, until = p.Seal, p.Place
	}
	if until > 0 && v.Broken == "" {
		v.Broken, err = v.stray(ctx)
	}
	if v.Broken != "" {
		return 0, false, fmt.Errorf("the trail was tampered with, so old events are kept: %s; see `scimbridge audit verify`", v.Broken)
	}
	return until, len(page) == pageSize && until == page[len(page)-1].Place, err
}

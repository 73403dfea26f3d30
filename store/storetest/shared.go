package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Shared makes any store shared by several workers of a process, for tests of the packages above. Leases and
// replicas are settings, so their changes follow the order of the transactions.
type Shared struct {
	store.Store
	Now func() time.Time // the clock of the store; nil: time.Now

	mu   sync.Mutex
	away error
}

var _ store.Shared = (*Shared)(nil)

const (
	leaseSetting   = "lease/"
	replicaSetting = "replica/"
)

// Cut makes every call fail with an error, like a broken network, until it is called with nil.
func (s *Shared) Cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

func (s *Shared) cut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

func (s *Shared) now() time.Time {
	if s.Now == nil {
		return time.Now().UTC()
	}
	return s.Now().UTC()
}

// View reads from the store, unless it is cut off.
func (s *Shared) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.cut(); err != nil {
		return err
	}
	return s.Store.View(ctx, fn)
}

// Update changes the store, unless it is cut off.
func (s *Shared) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.cut(); err != nil {
		return err
	}
	return s.Store.Update(ctx, fn)
}

// Take implements store.Shared.
func (s *Shared) Take(ctx context.Context, name, owner string, ttl time.Duration) (l store.Lease, err error) {
	err = s.Update(ctx, func(tx store.Tx) error {
		now := s.now()
		if l, err = leaseOf(tx, name); err != nil {
			return err
		}
		if l.Until.After(now) {
			return fmt.Errorf("taking the lease on %s: %w", name, store.ErrHeld)
		}
		l = store.Lease{Name: name, Owner: owner, Term: l.Term + 1, Until: now.Add(ttl), Now: now}
		return put(tx, leaseSetting+name, l)
	})
	return l, err
}

// Renew implements store.Shared.
func (s *Shared) Renew(ctx context.Context, l store.Lease, ttl time.Duration) (store.Lease, error) {
	err := s.Update(ctx, func(tx store.Tx) error {
		if err := s.held(tx, l); err != nil {
			return err
		}
		l.Now = s.now()
		l.Until = l.Now.Add(ttl)
		return put(tx, leaseSetting+l.Name, l)
	})
	return l, err
}

// Release implements store.Shared.
func (s *Shared) Release(ctx context.Context, l store.Lease) error {
	return s.Update(ctx, func(tx store.Tx) error {
		if s.held(tx, l) != nil {
			return nil
		}
		l.Until = s.now()
		return put(tx, leaseSetting+l.Name, l)
	})
}

// Leases implements store.Shared.
func (s *Shared) Leases(ctx context.Context) (out []store.Lease, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		out, err = settings[store.Lease](tx, leaseSetting)
		for i := range out {
			out[i].Now = s.now()
		}
		return err
	})
	return out, err
}

// Under implements store.Shared.
func (s *Shared) Under(l store.Lease) store.Store { return fenced{s, l} }

// Announce implements store.Shared.
func (s *Shared) Announce(ctx context.Context, r store.Replica) error {
	return s.Update(ctx, func(tx store.Tx) error {
		r.Seen = s.now()
		return put(tx, replicaSetting+r.ID, r)
	})
}

// Replicas implements store.Shared.
func (s *Shared) Replicas(ctx context.Context) (out []store.Replica, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		out, err = settings[store.Replica](tx, replicaSetting)
		for i := range out {
			out[i].Now = s.now()
		}
		return err
	})
	return out, err
}

func (s *Shared) held(tx store.Tx, l store.Lease) error {
	cur, err := leaseOf(tx, l.Name)
	if err == nil && (cur.Owner != l.Owner || cur.Term != l.Term || !cur.Until.After(s.now())) {
		err = fmt.Errorf("the lease on %s: %w", l.Name, store.ErrFenced)
	}
	return err
}

// fenced is the store under a lease.
type fenced struct {
	*Shared
	lease store.Lease
}

// Update checks the lease inside the transaction, so that no replica can take it in between.
func (f fenced) Update(ctx context.Context, fn func(store.Tx) error) error {
	return f.Shared.Update(ctx, func(tx store.Tx) error {
		if err := f.held(tx, f.lease); err != nil {
			return err
		}
		return fn(tx)
	})
}

func leaseOf(tx store.Tx, name string) (l store.Lease, err error) {
	if raw := tx.Setting(leaseSetting + name); raw != nil {
		err = json.Unmarshal(raw, &l)
	}
	return l, err
}

func put(tx store.Tx, name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.SetSetting(name, raw)
}

func settings[T any](tx store.Tx, prefix string) ([]T, error) {
	var out []T
	for name, raw := range tx.Settings() {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

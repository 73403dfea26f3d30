package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/mapping/suppose"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// reading is one comparison in the making.
type reading struct {
	*Comparer
	now      time.Time
	targets  []string
	how      map[string]Target
	listings map[string]suppose.Listing // by name: see memory.Memory.Listing
	seen     map[string]*backend.Observation

	ledger   entries
	disowned map[string]memory.Grants
	lately   map[memory.Spot]bool // a call of the bridge may not be seen yet
	managed  map[string]managed   // by target
	missing  map[memory.Grant]bool
	taken    []store.Entry
	moved    map[store.Subject]store.Link

	byAccount map[string]map[string]string // see keys
}

// read reads every target that rules reach or that holds a grant: reads only, one after the other, at
// the rate of the backend. After a refusal that concerns all of them it reads no further one.
func (r *reading) read(ctx context.Context) error {
	keys, paused, err := r.choose(ctx)
	if err != nil {
		return err
	}
	var refused string
	if paused.After(r.Clock()) {
		refused = "paused"
	}
	for _, t := range r.targets {
		r.how[t] = Target{Target: t, Read: Unread, Reason: refused}
		if refused != "" {
			continue
		}
		err := r.readTarget(ctx, t, keys[r.Listing(t)])
		if ctx.Err() != nil {
			return fmt.Errorf("reading what the vendor has: %w", ctx.Err())
		}
		if err == nil {
			continue
		}
		kind := backend.KindOf(err)
		switch r.how[t] = (Target{Target: t, Read: Unread, Reason: kind.String()}); kind {
		case backend.Missing:
			r.how[t] = Target{Target: t, Read: Missing, Reason: reason.NoTarget}
		case backend.Unauthorized, backend.Throttled:
			if ofAll(err) {
				refused = kind.String()
			}
		}
	}
	return nil
}

// ofAll reports whether a refusal is about the credential or the rate, not about one target.
func ofAll(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && e.Status != http.StatusForbidden
}

// choose lists the targets, and the values whose accounts each listing must find.
func (r *reading) choose(ctx context.Context) (keys map[string][]string, paused time.Time, err error) {
	if r.Paused != nil {
		paused = r.Paused()
	}
	err = r.Store.View(ctx, func(tx store.Tx) error {
		keys = map[string][]string{}
		all, err := r.AllTargets(tx)
		if err != nil {
			return err
		}
		beyond, _, err := r.Beyond(tx)
		if err != nil {
			return err
		}
		r.targets = slices.DeleteFunc(all, func(t string) bool { return beyond[t] })
		c, err := memory.ConditionOf(tx, r.Name)
		if err != nil {
			return err
		}
		paused = memory.Later(paused, c.Until)
		for _, t := range r.targets {
			if err := r.wanted(tx, t, keys); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, paused, fmt.Errorf("listing what to read: %w", err)
	}
	for listing := range keys {
		slices.Sort(keys[listing])
		keys[listing] = slices.Compact(keys[listing])
	}
	return keys, paused, nil
}

// wanted adds the values of the members of all groups that count on a target.
func (r *reading) wanted(tx store.Tx, target string, keys map[string][]string) error {
	at, listing := mapping.Target{Backend: r.Name, Target: target}, r.Listing(target)
	rules := r.InForce()
	of := func(idp string, g store.Group) bool { return slices.Contains(rules.Targets(idp, g), at) }
	return r.EachMember(tx, of, func(s store.Subject) error {
		u, err := tx.Directory(s.IdP).User(s.User)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if key := r.Key(u); err == nil && u.Active && key != "" {
			keys[listing] = append(keys[listing], key)
		}
		return err
	})
}

// readTarget reads the listing of a target, unless it was read for another one, and who has which role.
func (r *reading) readTarget(ctx context.Context, target string, keys []string) error {
	listing := r.Listing(target)
	if _, read := r.listings[listing]; !read {
		found, err := r.Backend.Resolve(ctx, target, keys)
		if err != nil && !errors.Is(err, backend.ErrPartial) {
			return err
		}
		r.listings[listing] = suppose.Listing{Whole: err == nil && len(found) > 0, Accounts: found}
	}
	seen, err := r.Backend.Observe(ctx, target)
	if err != nil {
		return err
	}
	how := Target{Target: target, Read: Complete, Shows: "none"}
	switch {
	case seen.Roles:
		how.Shows = "all"
	case seen.Only != "":
		how.Shows = seen.Only
	}
	if !r.listings[listing].Whole || !seen.Complete || len(seen.Members) == 0 {
		how.Read, how.Reason = Incomplete, "incomplete_list"
	}
	r.seen[target], r.how[target] = &seen, how
	return nil
}

// managed is what the rules say of a target: the roles that they name, and for which of those an
// authoritative rule speaks.
type managed map[string]bool

// rulesOf reads it for a target.
func (r *reading) rulesOf(tx store.Tx, target string, groups []mapping.Named) managed {
	out := managed{}
	speaks := r.Authoritative(tx, target, groups)
	for role, authoritative := range r.InForce().Roles(mapping.Target{Backend: r.Name, Target: target}) {
		out[role] = authoritative && speaks(role)
	}
	return out
}

// compare reads from the store what a resync compares with the vendor.
func (r *reading) compare(ctx context.Context) error {
	err := r.Store.View(ctx, func(tx store.Tx) error {
		r.ledger, r.missing, r.taken = entries{}, map[memory.Grant]bool{}, nil
		r.disowned, r.lately, r.managed = map[string]memory.Grants{}, map[memory.Spot]bool{}, map[string]managed{}
		for e, err := range tx.Ledger(r.Name).Entries("", "") {
			if err != nil {
				return err
			}
			r.take(e)
		}
		if err := r.follow(tx); err != nil {
			return err
		}
		groups, err := view.AllGroups(tx)
		if err != nil {
			return err
		}
		for _, t := range r.targets {
			if r.disowned[t], err = r.Disowned(tx, t); err != nil {
				return err
			}
			sent, err := memory.SentRemovals(tx, r.Name, t, r.now)
			if err != nil {
				return err
			}
			for _, s := range sent {
				if memory.Within(r.now, s.At, r.Straggler) {
					r.lately[memory.Spot{Target: t, Account: s.Account}] = true
				}
			}
			r.managed[t] = r.rulesOf(tx, t, groups)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("comparing with the vendor: %w", err)
	}
	return nil
}

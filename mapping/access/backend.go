package access

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// ledger goes through the ledger of a backend, target by target and account by account.
type ledger struct {
	*report
	ctx     context.Context
	backend int
	name    string
	target  *target
	account []store.Entry // of the account that is being read
	done    map[string]bool
}

// ofBackend writes the rows of a backend.
func (r *report) ofBackend(ctx context.Context, b int) error {
	l := &ledger{report: r, ctx: ctx, backend: b, name: r.src.Backends[b].Name, done: map[string]bool{}}
	read := l.all
	if r.selected {
		read = l.ofUsers
	}
	if err := read(); err != nil {
		return err
	}
	if err := l.closeTarget(); err != nil {
		return err
	}
	rest, err := l.otherTargets()
	if err != nil {
		return err
	}
	for _, name := range rest {
		if l.done[name] || r.query.Target != "" && name != r.query.Target {
			continue
		}
		if err := l.openTarget(name); err != nil {
			return err
		}
		if err := l.closeTarget(); err != nil {
			return err
		}
	}
	return nil
}

// all reads the whole ledger, or that of one target, a page in each transaction.
func (l *ledger) all() error {
	var last *store.Entry
	if l.query.Target != "" {
		last = &store.Entry{Target: l.query.Target}
	}
	page := make([]store.Entry, 0, pageSize)
	for more := true; more; {
		l.memory.bound()
		err := l.src.Store.View(l.ctx, func(tx store.Tx) error {
			page, more = page[:0], false
			for e, err := range tx.Ledger(l.name).EntriesAfter(last) {
				if err != nil {
					return err
				}
				if l.query.Target != "" && e.Target != l.query.Target {
					return nil
				}
				if page = append(page, e); len(page) == pageSize {
					more = true
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		if err := l.catchUp(page); err != nil {
			return err
		}
		for _, e := range page {
			if err := l.next(e); err != nil {
				return err
			}
		}
		if len(page) > 0 {
			end := page[len(page)-1]
			last = &end
		}
	}
	return nil
}

// ofUsers reads the ledger of the accounts of the users that are loaded.
func (l *ledger) ofUsers() error {
	found := map[string][]store.Entry{}
	err := l.src.Store.View(l.ctx, func(tx store.Tx) error {
		clear(found)
		of := tx.Ledger(l.name)
		for _, number := range slices.Sorted(maps.Keys(l.people.first[l.backend])) {
			account := l.people.names.text(number)
			targets, err := of.TargetsOf(account)
			if err != nil {
				return err
			}
			for _, target := range targets {
				for e, err := range of.Entries(target, account) {
					if err != nil {
						return err
					}
					found[target] = append(found[target], e)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	for _, target := range slices.Sorted(maps.Keys(found)) {
		if err := l.catchUp(found[target]); err != nil {
			return err
		}
		for _, e := range found[target] {
			if l.query.Target != "" && target != l.query.Target {
				continue
			}
			if err := l.next(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// catchUp reads the trail on if it does not know a grant that was made since it was read.
func (l *ledger) catchUp(page []store.Entry) error {
	unknown := slices.ContainsFunc(page, func(e store.Entry) bool {
		_, known := l.trail.past(l.name, e.Target, e.Account, e.Role)
		return !known && e.State == store.Present && e.Account != store.TargetSettings
	})
	if !unknown {
		return nil
	}
	return l.trail.read(l.ctx, l.src.Store, time.Time{})
}

// next takes the next entry in.
func (l *ledger) next(e store.Entry) error {
	if e.Account == store.TargetSettings {
		return nil
	}
	if l.target == nil || l.target.name != e.Target {
		if err := l.closeTarget(); err != nil {
			return err
		}
		if err := l.openTarget(e.Target); err != nil {
			return err
		}
	}
	if len(l.account) > 0 && l.account[0].Account != e.Account {
		if err := l.closeAccount(); err != nil {
			return err
		}
	}
	l.account = append(l.account, e)
	return nil
}

func (l *ledger) openTarget(name string) (err error) {
	l.done[name] = true
	l.target, err = l.open(l.ctx, l.backend, name)
	return err
}

func (l *ledger) closeAccount() error {
	if len(l.account) == 0 {
		return nil
	}
	err := l.target.account(l.account[0].Account, l.account)
	l.account = l.account[:0]
	return err
}

func (l *ledger) closeTarget() error {
	if l.target == nil {
		return nil
	}
	if err := l.closeAccount(); err != nil {
		return err
	}
	t := l.target
	l.target = nil
	return t.close()
}

// otherTargets lists the targets on which a group gives something, or that a comparison saw.
func (l *ledger) otherTargets() ([]string, error) {
	all := map[string]bool{}
	for t := range l.people.targets[l.backend] {
		all[t] = true
	}
	err := l.src.Store.View(l.ctx, func(tx store.Tx) error {
		for c, err := range record.List(tx, record.Comparison{Backend: l.name}) {
			if err != nil {
				return err
			}
			all[c.Target] = true
		}
		for d, err := range record.List(tx, record.Disowned{Backend: l.name}) {
			if err != nil {
				return err
			}
			all[d.Target] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(all)), err
}

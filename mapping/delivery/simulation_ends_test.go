package delivery_test

import (
	"context"
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Invite makes an account at once, if the address has none.
func (p *process) Invite(_ context.Context, _, email string) error {
	return p.changeAccount("requesting an account", func() {
		for i := range simPeople {
			if simEmail(i) == email && p.account(email) == "" {
				p.make(i)
				p.remember()
				p.tell("%s has an account", email)
			}
		}
	})
}

// Offboard deletes an account.
func (p *process) Offboard(_ context.Context, _ string, a backend.Account) error {
	p.mu.Lock()
	p.checkEnd(a.ID)
	p.mu.Unlock()
	return p.changeAccount("ending an account", func() {
		if p.exists(a.ID) {
			p.drop(a.ID)
			p.remember()
			p.ended++
			p.tell("%s is ended", a.ID)
		}
	})
}

// changeAccount is a call about an account as a whole: it may fail before or after it takes effect, or
// take effect later, as long after the answer as a change of roles may. Nothing takes effect late after
// the faults are over: no account would come back.
func (p *process) changeAccount(doing string, effect func()) error {
	happens, survives := p.step()
	if !happens {
		return errCrashed
	}
	p.mu.Lock()
	dice := 100
	if p.faults {
		dice = p.rnd.IntN(100)
	}
	late := time.Duration(p.rnd.Int64N(int64(simLate - simTimeout)))
	if dice < 10 || !survives {
		time.AfterFunc(late, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.faults {
				effect()
				p.note()
			}
		})
	}
	p.mu.Unlock()
	if !survives {
		return errCrashed
	}
	time.Sleep(200 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case dice < 10:
		return &backend.Error{Kind: backend.Transient, Doing: doing}
	case dice < 18:
		return &backend.Error{Kind: backend.Transient, Doing: doing, Status: 503}
	case dice < 22:
		return &backend.Error{Kind: backend.Rejected, Doing: doing, Status: 400}
	}
	effect()
	p.note()
	if dice < 28 {
		return &backend.Error{Kind: backend.Transient, Doing: doing}
	}
	return nil
}

// checkEnd holds the end of an account to what is always true: its user is inactive, and not protected.
func (p *process) checkEnd(id string) {
	broken := func(why string) {
		if p.violation == "" {
			p.violation = id + " is ended: " + why
		}
	}
	if id == simAccount(0) {
		broken("it is protected")
	}
	for i := range simPeople {
		if p.people[id] != simEmail(i) || p.moved[id] {
			continue
		}
		p.must(p.store.View(p.t.Context(), func(tx store.Tx) error {
			u, err := tx.Directory("idp").User(simUser(i))
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err == nil && u.Active && time.Since(p.toggled[u.ID]) > time.Second {
				broken("its user is active")
			}
			return err
		}))
	}
}

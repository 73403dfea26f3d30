package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// inviteAgain is how long after an invitation somebody is not invited again: the vendor may send an e-mail each time.
const inviteAgain = 7 * 24 * time.Hour

// invite asks for accounts for those who should have something and have none. That somebody is invited is committed before
// the call: a crash loses an invitation rather than sending two.
func (w *Worker) invite(ctx context.Context, target string, people []*person, found map[string]backend.Account) error {
	if !w.Invite || w.Mode == Observe || len(found) == 0 { // a listing without people is no evidence that somebody has no account
		return nil
	}
	for _, p := range people {
		if !p.desired || p.key == "" || p.account(found) != "" {
			continue
		}
		fresh, err := w.noteInvitation(ctx, target, p.key)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.CallTimeout)
		err = w.Backend.Invite(limited, target, p.key)
		cancel()
		if err != nil {
			var e *backend.Error
			if errors.As(err, &e) && (e.Unsent || e.Kind == backend.Throttled || e.Kind == backend.Unauthorized) {
				if err := w.Store.Update(ctx, func(tx store.Tx) error { return tx.SetSetting(w.invitation(target, p.key), nil) }); err != nil {
					return fmt.Errorf("taking back an invitation that was not sent: %w", err)
				}
			}
			return fmt.Errorf("asking for an account: %w", err)
		}
		err = w.Store.Update(ctx, func(tx store.Tx) error { // an account that was made at once is found at once
			return tx.Work(w.Name).Touch(target, w.now(), p.mark.Subject)
		})
		if err != nil {
			return fmt.Errorf("looking for a new account: %w", err)
		}
	}
	return nil
}

// stays names the setting that says that an operator has refused to end what somebody has.
func (w *Worker) stays(account string) string { return "stays/" + w.Name + "/" + account }

func (w *Worker) invitation(target, key string) string {
	return "invited/" + w.Name + "/" + w.listing(target) + "/" + key
}

// noteInvitation says whether somebody is to be invited now, and remembers it.
func (w *Worker) noteInvitation(ctx context.Context, target, key string) (fresh bool, err error) {
	now := w.now().UTC()
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		fresh = true
		if raw := tx.Setting(w.invitation(target, key)); len(raw) > 0 {
			at, err := time.Parse(time.RFC3339, string(raw))
			fresh = err != nil || now.Sub(at) >= inviteAgain
		}
		if !fresh {
			return nil
		}
		if _, err := tx.Events().Append(store.Event{At: now, Type: "invite", Actor: "bridge", Backend: w.Name, Target: target, Name: key}); err != nil {
			return err
		}
		return tx.SetSetting(w.invitation(target, key), []byte(now.Format(time.RFC3339)))
	})
	if err != nil {
		return false, fmt.Errorf("noting an invitation: %w", err)
	}
	return fresh, nil
}

// offboard ends what those who left have beyond roles, once all of their roles are gone. Its failure leaves their marks as they
// are: it is tried again, for ever.
func (w *Worker) offboard(ctx context.Context, target string, v *visitWork) error {
	if !w.Offboard || w.Mode != Sync {
		return nil
	}
	kept, err := w.claimAdmins(ctx, target, v)
	if err != nil {
		return err
	}
	for id, a := range v.accounts {
		if kept[id] {
			continue
		}
		if !a.offboarded || a.left || len(a.add)+len(a.remove) > 0 || a.park != 0 || w.untouchable(a) != "" {
			a.left = a.left || w.untouchable(a) != ""
			continue
		}
		roles, stays := 0, false
		err := w.Store.View(ctx, func(tx store.Tx) error {
			targets, err := tx.Ledger(w.Name).TargetsOf(id)
			roles, stays = len(targets), len(tx.Setting(w.stays(id))) > 0
			return err
		})
		if err != nil {
			return fmt.Errorf("looking whether somebody has roles left: %w", err)
		}
		if stays {
			a.left = true
		}
		if roles > 0 || stays {
			continue
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.CallTimeout)
		err = w.Backend.Offboard(limited, target, a.Account)
		cancel()
		if err != nil {
			return fmt.Errorf("ending what somebody who left has: %w", err)
		}
		a.left = true
		now := w.now()
		err = w.Store.Update(ctx, func(tx store.Tx) error {
			links, err := tx.Accounts(w.Name).Linked(id)
			if err != nil {
				return err
			}
			for _, l := range links { // whoever comes back is looked up anew
				if err := tx.Accounts(w.Name).DeleteLink(l.IdP, l.User); err != nil {
					return err
				}
			}
			_, err = tx.Events().Append(store.Event{At: now, Type: "offboard", Actor: "bridge", Backend: w.Name, Target: target, Account: id, Name: a.Key})
			return err
		})
		if err != nil {
			return fmt.Errorf("noting that somebody left: %w", err)
		}
	}
	return nil
}

// claimAdmins takes over the administrator's role of whoever is to lose more than roles and was given it by hand: it is removed
// first, under the brakes, so that the last administrator stays. It returns whom that concerns.
func (w *Worker) claimAdmins(ctx context.Context, target string, v *visitWork) (kept map[string]bool, err error) {
	role, kept := w.Backend.Traits().AdminRole, map[string]bool{}
	var leaving []*account
	for _, a := range v.accounts {
		if a.offboarded && !a.left && len(a.add)+len(a.remove) == 0 && a.park == 0 {
			leaving = append(leaving, a)
		}
	}
	if role == "" || len(leaving) == 0 {
		return kept, nil
	}
	seen, err := w.Backend.Observe(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("looking who is an admin: %w", err)
	}
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		clear(kept)
		for _, a := range leaving {
			g := foreignGrant{target, a.ID, role}
			has, _ := seen.Has(a.ID, role)
			if stays := len(tx.Setting(w.stays(a.ID))) > 0; !has || stays || w.now().Sub(w.taken[g]) < w.Straggler {
				continue // what was taken a moment ago a list may still show
			}
			kept[a.ID] = true
			if err := w.takeOver(tx, g, a.Key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("taking over an admin's role: %w", err)
	}
	for id := range kept {
		w.taken[foreignGrant{target, id, role}] = w.now()
	}
	return kept, nil
}

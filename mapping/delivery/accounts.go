package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// inviteAgain is how long after an invitation somebody is not invited again: the vendor may send an e-mail each time.
const inviteAgain = 7 * 24 * time.Hour

// invite asks for accounts for those who should have something and have none. That somebody is invited is committed before
// the call: a crash loses an invitation rather than sending two.
func (w *Worker) invite(ctx context.Context, t dueTarget, people []*person, found map[string]backend.Account) error {
	if !w.Invite || w.mode() == Observe || len(found) == 0 { // a listing without people is no evidence that somebody has no account
		return nil
	}
	target, asked := t.name, false
	without := slices.DeleteFunc(slices.Clone(people), func(p *person) bool {
		return !p.desired || p.blocked || p.stale || !address(p.key) || p.account(found) != ""
	})
	for i, p := range without {
		if f := flightOf(ctx); w.otherRules(f) || asked && !t.urgent && w.waitsFor(ctx, f) {
			return w.askLater(ctx, target, without[i:])
		}
		fresh, err := w.noteInvitation(ctx, target, p)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		asked = true
		lingering, cancel := w.linger(ctx)
		err = w.Backend.Invite(lingering, target, p.key)
		cancel()
		if err != nil {
			if err := w.notInvited(ctx, target, p.key, err); err != nil {
				return err
			}
			continue
		}
		err = w.Store.Update(ctx, func(tx store.Tx) error { // an account that was made at once is found at once
			return tx.Work(w.Name).Touch(target, w.now(), store.Origin{}, p.mark.Subject)
		})
		if err != nil {
			return fmt.Errorf("looking for a new account: %w", err)
		}
	}
	return nil
}

// askLater lets those have their turn soon who were to be asked for when other rules were to be in force, or somebody left.
func (w *Worker) askLater(ctx context.Context, target string, people []*person) error {
	var who []store.Subject
	for _, p := range people {
		who = append(who, p.mark.Subject)
	}
	err := w.Store.Update(ctx, func(tx store.Tx) error { return tx.Work(w.Name).Touch(target, w.now(), store.Origin{}, who...) })
	if err != nil {
		return fmt.Errorf("putting off asking for accounts: %w", err)
	}
	return nil
}

// notInvited decides when somebody may be asked again for whom there was no clean answer: at once if nothing was sent, in an hour if
// nobody knows, in seven days if the vendor refuses. A refusal concerns nobody else; any other failure ends the round.
func (w *Worker) notInvited(ctx context.Context, target, key string, failure error) error {
	var e *backend.Error
	if !errors.As(failure, &e) {
		return fmt.Errorf("asking for an account: %w", failure)
	}
	var again []byte
	switch {
	case e.Kind == backend.Rejected || e.Kind == backend.Missing:
		w.Log.Warn("an account is refused; it is asked for again in seven days", "backend", w.Name, "target", target, "status", e.Status, "code", e.Code)
		return w.noteRefusal(ctx, target, key)
	case !e.Unsent && e.Kind == backend.Transient:
		again = []byte(w.now().Add(time.Hour - inviteAgain).UTC().Format(time.RFC3339))
	}
	err := w.Store.Update(ctx, func(tx store.Tx) error { return tx.SetSetting(w.invitation(target, key), again) })
	if err != nil {
		return fmt.Errorf("noting when to ask for an account again: %w", err)
	}
	return fmt.Errorf("asking for an account: %w", failure)
}

// refusedInvitation follows the moment of an invitation that the vendor refused: an account that turns up is none that the bridge made.
const refusedInvitation = " refused"

func (w *Worker) noteRefusal(ctx context.Context, target, key string) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		name := w.invitation(target, key)
		return tx.SetSetting(name, append(bytes.TrimSuffix(tx.Setting(name), []byte(refusedInvitation)), refusedInvitation...))
	})
	if err != nil {
		return fmt.Errorf("noting that an account is refused: %w", err)
	}
	return nil
}

// invited says whether the bridge asked for the account that a value finds, and was not refused.
func (w *Worker) invited(tx store.Tx, target, key string) bool {
	raw := tx.Setting(w.invitation(target, key))
	return len(raw) > 0 && !bytes.HasSuffix(raw, []byte(refusedInvitation))
}

// address says whether a value is an e-mail address and nothing else: only with one is an account asked for.
func address(value string) bool {
	a, err := mail.ParseAddress(value)
	return err == nil && a.Name == "" && a.Address == value
}

// whyNoAccount is the reason for which a user without an account waits.
func (w *Worker) whyNoAccount(p *person) string {
	if w.Invite && !p.blocked && !address(p.key) {
		return noAddress
	}
	return noAccount
}

// stays names the setting that says that an operator has refused to end what somebody has.
func (w *Worker) stays(account string) string { return "stays/" + w.Name + "/" + account }

func (w *Worker) invitation(target, key string) string {
	return "invited/" + w.Name + "/" + w.listing(target) + "/" + key
}

// noteInvitation says whether somebody is to be invited now, and remembers it.
func (w *Worker) noteInvitation(ctx context.Context, target string, p *person) (fresh bool, err error) {
	now, key := w.now().UTC(), p.key
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		fresh = true
		if raw := tx.Setting(w.invitation(target, key)); len(raw) > 0 {
			at, err := time.Parse(time.RFC3339, string(bytes.TrimSuffix(raw, []byte(refusedInvitation))))
			ago := now.Sub(at) // of a clock that was set back a little they are not invited twice
			fresh = err != nil || ago >= inviteAgain || ago < -24*time.Hour
		}
		if !fresh {
			return nil
		}
		if _, err := tx.Events().Append(initiated(store.Event{At: now, Type: "invite", Actor: "bridge", Backend: w.Name, Target: target, Name: key}, p.mark.Origin)); err != nil {
			return err
		}
		if old := p.link.Account; old != "" && tx.Setting(w.ended(target, old)) != nil { // what was ended begins anew
			if err := tx.SetSetting(w.ended(target, old), nil); err != nil {
				return err
			}
		}
		return tx.SetSetting(w.invitation(target, key), []byte(now.Format(time.RFC3339)))
	})
	if err != nil {
		return false, fmt.Errorf("noting an invitation: %w", err)
	}
	return fresh, nil
}

// offboards says whether whoever leaves is to lose more than roles.
func (w *Worker) offboards() bool { return w.Offboard && w.mode() == Sync }

// ended names the setting that says that the membership of a target, or the account, was ended.
func (w *Worker) ended(target, account string) string {
	return "ended/" + w.Name + "/" + w.listing(target) + "/" + account
}

// offboard ends what those who left have beyond roles, once their roles are gone: the membership of a target when none is left
// there, an account when none is left anywhere. Who cannot be ended yet is tried again, for ever, and keeps nobody else waiting.
func (w *Worker) offboard(ctx context.Context, target string, v *visitWork) error {
	if !w.offboards() {
		return nil
	}
	if err := w.reviewEnds(ctx, target, v); err != nil {
		return err
	}
	kept, err := w.claimAdmins(ctx, target, v)
	if err != nil {
		return err
	}
	for _, id := range v.asked() {
		a := v.accounts[id]
		if a.left = a.left || w.planner().Untouchable(a.Account.Account) != ""; !a.leaves() || kept[id] {
			continue
		}
		release, claimed := w.claimEnd(target, id)
		if !claimed {
			a.later = true
			continue
		}
		err := w.endOne(ctx, target, a)
		release()
		if err != nil {
			return err
		}
	}
	return nil
}

// endOne ends a membership or account if nothing keeps it.
func (w *Worker) endOne(ctx context.Context, target string, a *account) error {
	if err := w.mayEnd(ctx, target, a); err != nil || a.left || a.later || a.unfinished {
		return err
	}
	if err := w.limitEnd(ctx, target, a); err != nil || a.park == store.Held {
		return err
	}
	theirs, err := w.stillTheirs(ctx, target, a)
	if err == nil && !theirs {
		w.Log.Warn("an account that was to be ended is another user's by now; it is left alone", "backend", w.Name, "target", target, "account", label(a.ID))
		a.left = true
		return nil
	}
	if err == nil {
		lingering, cancel := w.linger(ctx)
		err = w.Backend.Offboard(lingering, target, a.Account.Account)
		cancel()
	}
	if err == nil {
		err = w.noteEnd(ctx, target, a)
	}
	return w.notEnded(target, a, err)
}

// leaves says whether the account is to be ended and has nothing else to be done for it.
func (a *account) leaves() bool {
	return a.Offboarded && !a.left && len(a.Add)+len(a.Remove) == 0 && a.park == 0 && a.Wait.IsZero()
}

// mayEnd sees what keeps an account from being ended: roles elsewhere, an operator, that it is already, or that somebody came back
// while others had their turn.
func (w *Worker) mayEnd(ctx context.Context, target string, a *account) error {
	err := w.Store.View(ctx, func(tx store.Tx) error {
		now := newAccount(a.ID)
		if err := w.load(tx, target, a.ID, now, nil); err != nil {
			return err
		}
		a.unfinished = !now.Offboarded
		targets, err := tx.Ledger(w.Name).TargetsOf(a.ID)
		a.left = len(tx.Setting(w.stays(a.ID)))+len(tx.Setting(w.ended(target, a.ID))) > 0
		a.later = slices.Contains(targets, target) || w.Backend.Traits().OneListing && len(targets) > 0
		return err
	})
	if err != nil {
		return fmt.Errorf("looking whether somebody has roles left: %w", err)
	}
	return nil
}

// noteEnd remembers that an account was ended. Whoever comes back is looked up anew, and asked anew: an earlier invitation was for what
// is over.
func (w *Worker) noteEnd(ctx context.Context, target string, a *account) error {
	a.left = true
	now := w.now()
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Accounts(w.Name).DeleteCached(w.listing(target), a.Key); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.SetSetting(w.invitation(target, a.Key), nil); err != nil {
			return err
		}
		if err := tx.SetSetting(w.ended(target, a.ID), []byte(now.Format(time.RFC3339))); err != nil {
			return err
		}
		if err := w.dropEnd(tx, target, a.ID); err != nil {
			return err
		}
		_, err := tx.Events().Append(initiated(store.Event{At: now, Type: "offboard", Actor: "bridge", Backend: w.Name, Target: target, Account: a.ID, Name: a.Key}, a.origin))
		return err
	})
	if err != nil {
		return fmt.Errorf("noting that somebody left: %w", err)
	}
	return nil
}

// notEnded decides what becomes of somebody who could not be ended. Only what concerns everybody pauses the backend.
func (w *Worker) notEnded(target string, a *account, err error) error {
	var e *backend.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return err
	case e.Kind == backend.Throttled, e.Kind == backend.Unauthorized && e.Status != http.StatusForbidden:
		w.failed(target, err)
		a.later = true
	case e.Kind == backend.Transient:
		a.later = true
	default:
		w.Log.Warn("the membership or account of somebody who left cannot be ended; it is tried again", "backend", w.Name, "target", target, "status", e.Status, "code", e.Code)
		a.block(reasonOf(e))
	}
	return nil
}

// claimAdmins takes over the administrator's role of whoever is to lose more than roles and was given it by hand: it is removed
// first, under the brakes, so that the last administrator stays. It returns whom that concerns.
func (w *Worker) claimAdmins(ctx context.Context, target string, v *visitWork) (kept map[string]bool, err error) {
	role, kept := w.Backend.Traits().AdminRole, map[string]bool{}
	var leaving []*account
	for _, a := range v.accounts {
		if a.leaves() {
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
			if stays := len(tx.Setting(w.stays(a.ID)))+len(tx.Setting(w.ended(target, a.ID))) > 0; !has || stays || within(w.now(), w.taken[g], w.Straggler) {
				continue // what was taken a moment ago a list may still show
			}
			kept[a.ID] = true
			if err := w.takeOver(tx, g, a.Key, a.origin); err != nil {
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

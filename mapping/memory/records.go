package memory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// NoteCalled records that the backend was called to change something.
func (w *Memory) NoteCalled(tx store.Tx) error {
	if tx.Setting(w.CalledKey()) != nil {
		return nil
	}
	return tx.SetSetting(w.CalledKey(), []byte("yes"))
}

// Grants are roles by account.
type Grants map[string][]string

// Has reports whether an account has a role.
func (g Grants) Has(account, role string) bool { return slices.Contains(g[account], role) }

// Drop takes a role off an account.
func (g Grants) Drop(account, role string) {
	g[account] = slices.DeleteFunc(g[account], func(r string) bool { return r == role })
	if len(g[account]) == 0 {
		delete(g, account)
	}
}

// Disowned lists what operators refused to take away on a target: an authoritative rule leaves it
// alone, until a group gives it or it is not there any more.
func (w *Memory) Disowned(tx store.Tx, target string) (Grants, error) {
	out, err := w.disownedOn(tx, target)
	if err != nil {
		return nil, fmt.Errorf("reading what was disowned: %w", err)
	}
	return out, nil
}

// Disown records that a grant is no longer the bridge's to revoke.
func (w *Memory) Disown(tx store.Tx, e store.Entry) error {
	return store.Put(tx, store.Disowned{Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role})
}

// InForce is the fingerprint of the rules by which a backend is delivered to; "" before any replica has.
func InForce(tx store.Tx, backend string) string {
	print, _, _ := strings.Cut(string(tx.Setting(MappingKey(backend))), " ")
	return print
}

// MappingKey names the setting that says by which rules a backend was marked last.
func MappingKey(backend string) string { return "mapping/" + backend }

// CalledKey names the setting that says that the backend was ever called to change something.
func (w *Memory) CalledKey() string { return "called/" + w.Name }

// Used returns the targets of the ledger and of marks. It reads all of both.
func (w *Memory) Used(tx store.Tx) (out []string, err error) {
	for e, err := range tx.Ledger(w.Name).Entries("", "") {
		if err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1] != e.Target {
			out = append(out, e.Target)
		}
	}
	for m, err := range tx.Work(w.Name).Marks("") { // also what waits where nothing is given any more
		if err != nil {
			return nil, err
		}
		if m.Target == store.AnyTarget {
			continue
		}
		if out = append(out, m.Target); len(out) > 1 && out[len(out)-2] == m.Target {
			out = out[:len(out)-1]
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Invited reports whether the bridge asked for the account that a value finds, and was not refused.
func (w *Memory) Invited(tx store.Tx, target, key string) (bool, error) {
	i, there, err := store.Get(tx, w.InvitationRow(target, key))
	return there && !i.Refused, err
}

// A listing says which account has which value. The store keeps it as a cache that has an age: a complete listing replaces
// the cache of the one before, and nothing that is older than Worker.AccountCache counts.

// Listed returns when a listing was last read to its end; zero: never.
func (w *Memory) Listed(tx store.Tx, listing string) (time.Time, error) {
	l, _, err := store.Get(tx, store.Listing{Backend: w.Name, Listing: listing})
	return l.At, err
}

// EndingRow is the record of a call that ends a membership, or an account, and has no outcome.
func (w *Memory) EndingRow(target, account string) store.Ending {
	return store.Ending{Backend: w.Name, Listing: w.Listing(target), Account: account}
}

// PutEnding records when a call that ends an account was last made and had no clean answer; zero: never.
func (w *Memory) PutEnding(tx store.Tx, target, id string, at time.Time) error {
	row := w.EndingRow(target, id)
	if row.At = at; at.IsZero() {
		return store.Delete(tx, row)
	}
	return store.Put(tx, row)
}

// ForgetAccount drops what is known of an account that is, or may be, ended.
func (w *Memory) ForgetAccount(tx store.Tx, target, id, key string) error {
	if err := tx.Accounts(w.Name).DeleteCached(w.Listing(target), key); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return errors.Join(store.Delete(tx, w.InvitationRow(target, key)), store.Delete(tx, w.EndingRow(target, id)))
}

// Listing names the list of people in which the users of the target are found.
func (w *Memory) Listing(target string) string {
	if w.Traits().OneListing {
		return ""
	}
	return target
}

// EndKey tells an account, or a membership of a target, from others that are being ended.
func (w *Memory) EndKey(target, account string) string { return w.Listing(target) + "\x00" + account }

// OffboardedRow is the record of an account that was ended, or that an operator decided to keep.
func (w *Memory) OffboardedRow(target, account string) store.Offboarded {
	return store.Offboarded{Backend: w.Name, Listing: w.Listing(target), Account: account}
}

// RetainedRow is the record of an account whose off-boarding an operator rejected.
func (w *Memory) RetainedRow(account string) store.Retained {
	return store.Retained{Backend: w.Name, Account: account}
}

// KeptOrEnded reports whether an account needs no off-boarding: it is over, or an operator rejected it.
func (w *Memory) KeptOrEnded(tx store.Tx, target, account string) (bool, error) {
	_, kept, err := store.Get(tx, w.RetainedRow(account))
	if err != nil || kept {
		return kept, err
	}
	_, ended, err := store.Get(tx, w.OffboardedRow(target, account))
	return ended, err
}

// InvitationRow is the record of an invitation.
func (w *Memory) InvitationRow(target, key string) store.Invitation {
	return store.Invitation{Backend: w.Name, Listing: w.Listing(target), Key: key}
}

// PutInvitation records an invitation of a moment.
func (w *Memory) PutInvitation(tx store.Tx, target, key string, at time.Time, refused bool) error {
	i := w.InvitationRow(target, key)
	i.At, i.Refused, i.Expires = at, refused, at.Add(store.InvitationKept)
	return store.Put(tx, i)
}

// disownedOn lists the disowned grants of a target.
func (w *Memory) disownedOn(tx store.Tx, target string) (Grants, error) {
	out := Grants{}
	for d, err := range store.List(tx, store.Disowned{Backend: w.Name, Target: target}) {
		if err != nil {
			return nil, err
		}
		out[d.Account] = append(out[d.Account], d.Role)
	}
	return out, nil
}

// HoldsGrants reports whether the ledger has an entry of a target.
func (w *Memory) HoldsGrants(tx store.Tx, target string) (bool, error) {
	for _, err := range tx.Ledger(w.Name).Entries(target, "") {
		return err == nil, err
	}
	return false, nil
}

// ReadyMarks reads what may be worked on now: of a target, all of it, since the brakes look at a whole
// set of removals; of an urgent one, the users who leave.
func (w *Memory) ReadyMarks(tx store.Tx, target string, urgent bool) (out []store.Mark, err error) {
	for m, err := range tx.Work(w.Name).Ready(target, w.Clock(), urgent) {
		if err != nil {
			return nil, fmt.Errorf("reading marks: %w", err)
		}
		out = append(out, m)
	}
	return out, nil
}

// Doubtful returns the entries of accounts of which a read says the truth again.
func (w *Memory) Doubtful(tx store.Tx, target string, accounts []string) (out []store.Entry, err error) {
	now := w.Clock()
	for _, id := range accounts {
		if id == "" {
			continue
		}
		for e, err := range tx.Ledger(w.Name).Entries(target, id) {
			if err != nil {
				return nil, fmt.Errorf("reading the ledger: %w", err)
			}
			if !e.Doubt.IsZero() && !e.Doubt.After(now) {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

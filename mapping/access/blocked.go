package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// ListQuery selects rows of a list. An empty field selects all.
type ListQuery struct {
	Backend, Target string
	Reason          string // of a block; of drift: "foreign" or "missing"
}

// BlockedRow is a user, or an account, of which something cannot be delivered to a target.
type BlockedRow struct {
	User    string    `json:"user"` // "" if all of the target is blocked
	IdP     string    `json:"identity_provider,omitempty"`
	UserID  string    `json:"id,omitempty"`
	Account string    `json:"account,omitempty"`
	Backend string    `json:"backend"`
	Target  string    `json:"target"`
	Reason  string    `json:"reason"`
	Words   string    `json:"words"`
	Remedy  string    `json:"what_to_do"`
	Since   time.Time `json:"since"` // of the oldest change that is not delivered
	Tries   int       `json:"tries"`
	Next    time.Time `json:"next_try,omitzero"`
	Request string    `json:"request,omitempty"` // the newest request that asked for it
}

// Blocked writes what is blocked, a row for each user or account on each target. The error is an *nearest.UnknownError if a
// name of the query is not known.
func (s *Source) Blocked(ctx context.Context, q ListQuery, emit func(BlockedRow) error) error {
	if err := s.checkList(ctx, q, reasons()); err != nil {
		return err
	}
	for _, b := range s.Backends {
		if q.Backend != "" && q.Backend != b.Name {
			continue
		}
		var found []BlockedRow
		err := s.Store.View(ctx, func(tx store.Tx) error {
			found = nil
			for m, err := range tx.Work(b.Name).Marks(q.Target) {
				if err != nil {
					return err
				}
				if m.State != store.Blocked || q.Reason != "" && m.Reason != q.Reason {
					continue
				}
				if found, err = blockedBy(tx, b.Name, m, found); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("listing what is blocked: %w", err)
		}
		for _, row := range found {
			if err := emit(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func reasons() (out []string) {
	for _, r := range reason.Blocks() {
		out = append(out, r.Code)
	}
	return out
}

// blockedBy appends the rows of a mark.
func blockedBy(tx store.Tx, backend string, m store.Mark, to []BlockedRow) ([]BlockedRow, error) {
	why := reason.Block(m.Reason)
	row := BlockedRow{Backend: backend, Target: m.Target, Reason: m.Reason, Words: why.Words, Remedy: why.Remedy, Since: m.Since, Tries: m.Tries, Next: m.NotBefore, Request: m.Origin.Request}
	users := []userID{{m.Subject.IdP, m.Subject.User}}
	switch s := m.Subject; {
	case s.Account == store.TargetSettings, s == store.Subject{}:
		return append(to, row), nil
	case s.Account != "":
		links, err := tx.Accounts(backend).Linked(s.Account)
		if err != nil {
			return to, err
		}
		row.Account, users = s.Account, nil
		for _, l := range links {
			users = append(users, userID{l.IdP, l.User})
		}
		if len(users) == 0 {
			row.User = s.Account
			return append(to, row), nil
		}
	case s.Event != 0:
		e, err := tx.Events().Event(s.Event)
		if err != nil {
			return to, err
		}
		users = nil
		for _, id := range slices.Concat(e.Added, e.Removed) {
			users = append(users, userID{s.IdP, id})
		}
	}
	for _, u := range users {
		one, err := ofUser(tx, row, u)
		if err != nil {
			return to, err
		}
		to = append(to, one)
	}
	return to, nil
}

// ofUser names the user of a row, who may be deleted.
func ofUser(tx store.Tx, row BlockedRow, id userID) (BlockedRow, error) {
	row.IdP, row.UserID, row.User = id.idp, id.id, id.id
	u, err := tx.Directory(id.idp).User(id.id)
	if err == nil {
		row.User = u.UserName
	} else if !errors.Is(err, store.ErrNotFound) {
		return row, err
	}
	if row.Account == "" {
		l, err := tx.Accounts(row.Backend).Link(id.idp, id.id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return row, err
		}
		row.Account = l.Account
	}
	return row, nil
}

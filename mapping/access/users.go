package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

// accountOf is an account of a backend.
type accountOf struct{ backend, account string }

// readUsers reads the users of the accounts of which the trail does not name one: because there are several, or because
// the events that named them are kept no longer.
func (r *report) readUsers(ctx context.Context, keys []grantKey) error {
	r.usersOf = map[accountOf][]store.Link{}
	for part := range slices.Chunk(keys, pageSize) {
		err := r.src.Store.View(ctx, func(tx store.Tx) error {
			for _, key := range part {
				backend, _, _ := strings.Cut(r.trail.places.text(key.place), "\x00")
				if r.trail.accounts[[2]uint32{r.names.number(backend), key.account}].user != 0 {
					continue
				}
				of := accountOf{backend, r.names.text(key.account)}
				links, err := tx.Accounts(backend).Linked(of.account)
				if err != nil {
					return err
				}
				if len(links) > 0 {
					r.usersOf[of] = links
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading the users of accounts: %w", err)
		}
	}
	return nil
}

// ofUsers returns a row for each user of the account, if the trail names none.
func (r *report) ofUsers(row Row) []Row {
	links := r.usersOf[accountOf{row.Backend, row.Account}]
	if row.UserID != "" || len(links) == 0 {
		return []Row{row}
	}
	out := make([]Row, len(links))
	for i, l := range links {
		out[i] = row
		out[i].IdP, out[i].UserID = l.IdP, l.User
		if n, known := r.trail.users[[2]uint32{r.names.number(l.IdP), r.names.number(l.User)}]; known {
			out[i].User = r.names.text(n)
		}
	}
	return out
}

// unconfigured says which grants stay of backends that the configuration does not have.
func (r *report) unconfigured(ctx context.Context) (notes []string, err error) {
	err = r.src.Store.View(ctx, func(tx store.Tx) error {
		notes = nil
		for _, name := range tx.Backends() {
			if r.people.backend(name) >= 0 || r.query.Backend != "" && r.query.Backend != name {
				continue
			}
			if entries, _, err := tx.Ledger(name).Size(); err != nil {
				return err
			} else if entries > 0 {
				notes = append(notes, fmt.Sprintf("%d grant(s) of the backend %s, which is not configured, stay at the vendor; --at lists them", entries, name))
			}
		}
		return nil
	})
	return notes, err
}

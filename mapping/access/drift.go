package access

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Missing is the kind of drift that is no foreign grant: one of the bridge that the vendor does not show any more.
const Missing = "missing"

// DriftRow is a difference between the ledger and the vendor, as the last comparison saw it.
type DriftRow struct {
	Kind    string    `json:"kind"` // Foreign or Missing
	User    string    `json:"user"` // of an account without a user, the value that the vendor shows
	IdP     string    `json:"identity_provider,omitempty"`
	UserID  string    `json:"id,omitempty"`
	Account string    `json:"account"`
	Backend string    `json:"backend"`
	Target  string    `json:"target"`
	Role    string    `json:"role"`
	Since   time.Time `json:"since,omitzero"` // foreign: of the first comparison that saw it; missing: of the grant
	Seen    time.Time `json:"seen,omitzero"`  // the last comparison of the target
	Next    string    `json:"next"`           // what becomes of it
}

// Drift writes the foreign grants of the last comparisons, and the grants of the bridge that they missed. The notes say
// what is not known. The error is an *nearest.UnknownError if a name of the query is not known.
func (s *Source) Drift(ctx context.Context, q ListQuery, emit func(DriftRow) error) (notes []string, err error) {
	if err := s.checkList(ctx, q, []string{Foreign, Missing}); err != nil {
		return nil, err
	}
	if q.Reason != Missing {
		notes, err = s.Report(ctx, Query{Backend: q.Backend, Target: q.Target, Unmanaged: true}, func(r Row) error {
			if r.Reason != Foreign {
				return nil
			}
			return emit(DriftRow{Kind: Foreign, User: r.User, IdP: r.IdP, UserID: r.UserID, Account: r.Account, Backend: r.Backend, Target: r.Target, Role: r.Role,
				Since: r.Since, Seen: r.Confirmed, Next: "stays: the bridge did not grant it"})
		})
		if err != nil {
			return nil, err
		}
	}
	if q.Reason == Foreign {
		return notes, nil
	}
	for _, b := range s.Backends {
		if q.Backend != "" && q.Backend != b.Name {
			continue
		}
		if err := s.missing(ctx, b.Name, q.Target, emit); err != nil {
			return nil, fmt.Errorf("listing missing grants: %w", err)
		}
	}
	return notes, nil
}

// missing writes the entries of a ledger that the last comparison did not see, a page of the ledger in each transaction.
func (s *Source) missing(ctx context.Context, of, target string, emit func(DriftRow) error) error {
	var last *store.Entry
	if target != "" {
		last = &store.Entry{Target: target}
	}
	for more := true; more; {
		var found []DriftRow
		after := last
		err := s.Store.View(ctx, func(tx store.Tx) error {
			found, more, last = nil, false, after
			read := 0
			for e, err := range tx.Ledger(of).EntriesAfter(after) {
				if err != nil {
					return err
				}
				if target != "" && e.Target != target {
					return nil
				}
				if e.Missed > 0 || e.Note == "missing" && e.State != store.Present {
					if found, err = missed(tx, of, e, found); err != nil {
						return err
					}
				}
				if read++; read == pageSize {
					last, more = &e, true
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, row := range found {
			if err := emit(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func missed(tx store.Tx, of string, e store.Entry, to []DriftRow) ([]DriftRow, error) {
	c, _, err := record.Get(tx, record.Comparison{Backend: of, Target: e.Target})
	if err != nil {
		return to, err
	}
	row := DriftRow{Kind: Missing, User: cmp.Or(e.Key, e.Account), Account: e.Account, Backend: of, Target: e.Target, Role: e.Role, Since: e.Since, Seen: c.At,
		Next: "is given again, if a group still gives it"}
	links, err := tx.Accounts(of).Linked(e.Account)
	if err != nil {
		return to, err
	}
	for _, l := range links {
		one, err := ofUser(tx, BlockedRow{Backend: of, Account: e.Account}, userID{l.IdP, l.User})
		if err != nil {
			return to, err
		}
		row.User, row.IdP, row.UserID = one.User, one.IdP, one.UserID
		to = append(to, row)
	}
	if len(links) == 0 {
		to = append(to, row)
	}
	return to, nil
}

// checkList refuses the names of a query that are not known.
func (s *Source) checkList(ctx context.Context, q ListQuery, kinds []string) error {
	r := &report{src: s, query: Query{Backend: q.Backend, Target: q.Target}}
	r.people = newPeople(s, newInterner(), &memory{})
	if err := r.checkNames(ctx); err != nil {
		return err
	}
	if q.Reason != "" && !contains(setOf(kinds), q.Reason) {
		return unknown("kind or reason", q.Reason, setOf(kinds))
	}
	if q.Target == "" {
		return nil
	}
	targets, _, err := r.known(ctx)
	if err == nil && !targets[q.Target] {
		err = unknown("target", q.Target, targets)
	}
	return err
}

func setOf(all []string) map[string]bool {
	out := map[string]bool{}
	for _, one := range all {
		out[one] = true
	}
	return out
}

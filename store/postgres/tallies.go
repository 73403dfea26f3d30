package postgres

import (
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

// tally is a number that triggers keep: see schema/migrations/0004_tallies.sql.
type tally struct {
	kind string
	key  []string
	n    int
}

// tallies reads the tallies of some kinds. The transaction ends with its error.
func (t *tx) tallies(name string, kinds ...string) ([]tally, error) {
	b, err := t.backend(name)
	if err != nil || b == 0 {
		return nil, err
	}
	return query(t, func(r pgx.CollectableRow) (c tally, err error) {
		if err = r.Scan(&c.kind, &c.key, &c.n); err == nil {
			c.key = pgtext.Plains(c.key)
		}
		return c, err
	}, `SELECT kind, key, sum(n)::int8 FROM tallies WHERE backend = $1 AND kind = ANY($2) GROUP BY kind, key HAVING sum(n) <> 0`, b, kinds)
}

// Counts implements store.Work.
func (w *work) Counts() (pending, blocked, held int) {
	list, _ := w.tallies(w.name, "state") // the transaction ends with its error
	var counts [store.Held + 1]int
	for _, c := range list {
		if state, err := strconv.Atoi(c.key[0]); err == nil && state < len(counts) {
			counts[state] = c.n
		}
	}
	return counts[store.Pending], counts[store.Blocked], counts[store.Held]
}

// Urgent implements store.Work.
func (w *work) Urgent() (n int) {
	list, _ := w.tallies(w.name, "urgent") // as in Counts
	for _, c := range list {
		n += c.n
	}
	return n
}

// BlockedUsers implements store.Work.
func (w *work) BlockedUsers() (all int, byReason map[string]int, err error) {
	byReason = map[string]int{}
	list, err := w.tallies(w.name, "blocked")
	if err != nil {
		return 0, nil, fmt.Errorf("blocked users: %w", err)
	}
	for _, c := range list {
		if len(c.key) == 0 {
			all = c.n
		} else {
			byReason[c.key[0]] = c.n
		}
	}
	return all, byReason, nil
}

// OldestPending implements store.Work.
func (w *work) OldestPending() (time.Time, error) {
	b, err := w.number()
	if err != nil || b == 0 {
		return time.Time{}, err
	}
	since, _, err := one(w.tx, pgx.RowTo[*int64], `SELECT since FROM marks WHERE backend = $1 AND state = 0 ORDER BY since LIMIT 1`, b)
	if err != nil {
		return time.Time{}, fmt.Errorf("oldest pending mark: %w", err)
	}
	return pgtext.Moment(since), nil
}

// Size implements store.Ledger.
func (l *ledger) Size() (entries, heldAccounts int, err error) {
	list, err := l.tallies(l.name, "entries", "held")
	if err != nil {
		return 0, 0, fmt.Errorf("size of the ledger: %w", err)
	}
	for _, c := range list {
		if c.kind == "held" {
			heldAccounts = c.n
		} else {
			entries = c.n
		}
	}
	return entries, heldAccounts, nil
}

// Holds implements store.Ledger. A target whose name is longer than a key has its shortened name.
func (l *ledger) Holds() ([]store.HoldSize, error) {
	list, err := l.tallies(l.name, "hold", "offboarding")
	if err != nil {
		return nil, fmt.Errorf("sizes of holds: %w", err)
	}
	var out []store.HoldSize
	at := map[store.HoldSize]int{}
	for _, c := range list {
		if len(c.key) != 3 {
			continue
		}
		h := store.HoldSize{ID: c.key[0], Target: c.key[1], Why: c.key[2]}
		i, known := at[h]
		if !known {
			i = len(out)
			at[h], out = i, append(out, h)
		}
		if c.kind == "hold" {
			out[i].Entries = c.n
		} else {
			out[i].Offboardings = c.n
		}
	}
	return out, nil
}

// mergedTallies is the number of rows of tallies that one transaction merges.
const mergedTallies = 50_000

// mergeTallies adds up rows of the same key.
func (t *tx) mergeTallies() error {
	return t.Later(`WITH gone AS (DELETE FROM tallies WHERE ctid = ANY(ARRAY(SELECT ctid FROM tallies LIMIT $1)) RETURNING *)
		INSERT INTO tallies SELECT backend, kind, key, sum(n) FROM gone GROUP BY backend, kind, key HAVING sum(n) <> 0`, mergedTallies)
}

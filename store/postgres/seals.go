package postgres

import (
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
)

func scanSeal(r pgx.CollectableRow) (s store.Seal, err error) {
	var place, event int64
	var digest []byte
	err = r.Scan(&place, &event, &digest)
	s.Place, s.Event = uint64(place), uint64(event)
	copy(s.Digest[:], digest)
	return s, err
}

// Seal removes the events from the list of those without a seal, if they are the first and the places are
// the next. It is one statement, because a concurrent Update that appends may conflict with it.
func (e *events) Seal(seals ...store.Seal) error {
	e.write()
	if len(seals) == 0 {
		return nil
	}
	places, events, digests := make([]int64, len(seals)), make([]int64, len(seals)), make([][]byte, len(seals))
	first, last := seals[0], seals[len(seals)-1]
	for i, s := range seals {
		if s.Place != first.Place+uint64(i) {
			return fmt.Errorf("seal %d after %d: %w", s.Place, seals[i-1].Place, store.ErrConflict)
		}
		places[i], events[i], digests[i] = number(s.Place), number(s.Event), s.Digest[:]
	}
	n, err := e.exec(`WITH s AS (INSERT INTO seals (place, event, digest) SELECT v.place, v.event, v.digest FROM unnest($1::int8[], $2::int8[], $3::bytea[]) AS v (place, event, digest)
			WHERE $4 = coalesce((SELECT max(place) FROM seals), (SELECT place FROM anchor), 0) + 1
			AND $2::int8[] = ARRAY (SELECT event FROM unsealed ORDER BY event LIMIT $5) RETURNING event)
		DELETE FROM unsealed USING s WHERE unsealed.event = s.event`, places, events, digests, number(first.Place), len(seals))
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("seals %d to %d, of events %d to %d: %w", first.Place, last.Place, first.Event, last.Event, err)
	}
	return nil
}

func (e *events) Seals(after uint64) iter.Seq2[store.Seal, error] {
	return func(yield func(store.Seal, error) bool) {
		list := pages(func(last *store.Seal, limit int) ([]store.Seal, error) {
			if last != nil {
				after = last.Place
			}
			return query(e.tx, scanSeal, `SELECT place, event, digest FROM seals WHERE place > $1 ORDER BY place LIMIT $2`, number(after), limit)
		})
		for s, err := range list {
			if err != nil {
				err = fmt.Errorf("seals: %w", err)
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

func (e *events) LastSeal() (store.Seal, error) {
	s, found, err := one(e.tx, scanSeal, `SELECT place, event, digest FROM seals ORDER BY place DESC LIMIT 1`)
	if err == nil && !found {
		return e.Anchor()
	}
	return s, err
}

func (e *events) Anchor() (store.Seal, error) {
	s, _, err := one(e.tx, scanSeal, `SELECT place, 0::int8, digest FROM anchor`)
	return s, err
}

func (e *events) SetAnchor(s store.Seal) error {
	e.write()
	last, err := e.LastSeal()
	if err == nil && last != (store.Seal{}) {
		err = store.ErrConflict
	}
	if err == nil {
		err = e.setAnchor(s)
	}
	if err != nil {
		return fmt.Errorf("begin the seals after %d: %w", s.Place, err)
	}
	return nil
}

func (e *events) setAnchor(s store.Seal) error {
	_, err := e.exec(`INSERT INTO anchor (place, digest) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET place = excluded.place, digest = excluded.digest`, number(s.Place), s.Digest[:])
	return err
}

// forgetPage bounds a statement of Forget.
const forgetPage = 5000

func (e *events) Forget(place uint64) (store.Seal, error) {
	e.write()
	anchor, err := e.Anchor()
	if err != nil {
		return anchor, err
	}
	kept, _, err := one(e.tx, pgx.RowTo[*int64], `SELECT min(s.place) FROM marks m JOIN seals s ON s.event = m.event WHERE m.event <> 0`)
	if err != nil {
		return anchor, fmt.Errorf("forget events: %w", err)
	}
	if kept != nil {
		place = min(place, uint64(*kept)-1)
	}
	for done := false; !done; {
		gone, err := query(e.tx, scanSeal, `DELETE FROM seals WHERE place = ANY (ARRAY (SELECT place FROM seals WHERE place <= $1 ORDER BY place LIMIT $2)) RETURNING place, event, digest`, number(place), forgetPage)
		if err != nil {
			return anchor, fmt.Errorf("forget events: %w", err)
		}
		events := make([]int64, len(gone))
		for i, s := range gone {
			events[i] = int64(s.Event)
			if s.Place > anchor.Place {
				anchor = store.Seal{Place: s.Place, Digest: s.Digest}
			}
		}
		if _, err := e.exec(`DELETE FROM events WHERE seq = ANY ($1::int8[])`, events); err != nil {
			return anchor, fmt.Errorf("forget events: %w", err)
		}
		done = len(gone) < forgetPage
	}
	if anchor.Place == 0 {
		return anchor, nil
	}
	return anchor, e.setAnchor(anchor)
}

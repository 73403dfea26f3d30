package trail

import (
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
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
func (e *Events) Seal(seals ...store.Seal) error {
	e.MustWrite()
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
	n, err := e.Exec(`WITH s AS (INSERT INTO seals (place, event, digest) SELECT v.place, v.event, v.digest FROM unnest($1::int8[], $2::int8[], $3::bytea[]) AS v (place, event, digest)
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

// Seals lists seals by place, after one.
func (e *Events) Seals(after uint64) iter.Seq2[store.Seal, error] {
	return pgtx.Pages("seals", func(s store.Seal) store.Seal { return s }, func(last *store.Seal, limit int) ([]store.Seal, error) {
		if last != nil {
			after = last.Place
		}
		return pgtx.Query(e.Tx, scanSeal, `SELECT place, event, digest FROM seals WHERE place > $1 ORDER BY place LIMIT $2`, number(after), limit)
	})
}

// LastSeal returns the end of the chain: the anchor if no seal follows it.
func (e *Events) LastSeal() (store.Seal, error) {
	s, found, err := pgtx.One(e.Tx, scanSeal, `SELECT place, event, digest FROM seals ORDER BY place DESC LIMIT 1`)
	if err == nil && !found {
		return e.Anchor()
	}
	return s, err
}

// Anchor returns the last place whose event was forgotten.
func (e *Events) Anchor() (store.Seal, error) {
	s, _, err := pgtx.One(e.Tx, scanSeal, `SELECT place, 0::int8, digest FROM anchor`)
	return s, err
}

// SetAnchor begins the chain of a trail from another store.
func (e *Events) SetAnchor(s store.Seal) error {
	e.MustWrite()
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

func (e *Events) setAnchor(s store.Seal) error {
	return e.Later(`INSERT INTO anchor (place, digest) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET place = excluded.place, digest = excluded.digest`, number(s.Place), s.Digest[:])
}

// forgetPage bounds a statement of Forget.
const forgetPage = 5000

// Forget removes seals with their events, up to a place or an event to which a mark refers.
func (e *Events) Forget(place uint64) (store.Seal, error) {
	e.MustWrite()
	anchor, err := e.Anchor()
	if err != nil {
		return anchor, err
	}
	kept, _, err := pgtx.One(e.Tx, pgx.RowTo[*int64], `SELECT min(s.place) FROM marks m JOIN seals s ON s.event = m.event WHERE m.event <> 0`)
	if err != nil {
		return anchor, fmt.Errorf("forget events: %w", err)
	}
	if kept != nil {
		place = min(place, uint64(*kept)-1)
	}
	for done := false; !done; {
		gone, err := pgtx.Query(e.Tx, scanSeal, `DELETE FROM seals WHERE place = ANY (ARRAY (SELECT place FROM seals WHERE place <= $1 ORDER BY place LIMIT $2)) RETURNING place, event, digest`, number(place), forgetPage)
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
		if err := e.Later(`DELETE FROM events WHERE seq = ANY ($1::int8[])`, events); err != nil {
			return anchor, fmt.Errorf("forget events: %w", err)
		}
		done = len(gone) < forgetPage
	}
	if anchor.Place == 0 {
		return anchor, nil
	}
	return anchor, e.setAnchor(anchor)
}

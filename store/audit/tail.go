package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/scimbridge/scimbridge/store"
)

// Line is an event as it is followed: its place in the chain, and its canonical form.
type Line struct {
	Place uint64          `json:"place,omitempty"` // 0: it has none yet
	Event json.RawMessage `json:"event"`
}

// Tail emits the selected events with places after one, in the order of the chain, and returns the last place that it
// read. An event gets its place about a second after its commit, and events are followed by place: numbers are no
// order, because replicas commit them in another.
func Tail(ctx context.Context, s store.Store, f Filter, after uint64, emit func(Line) error) (read uint64, err error) {
	who, err := f.who(ctx, s)
	if err != nil {
		return after, err
	}
	return f.follow(ctx, s, who, after, emit)
}

// Newest emits the newest selected events, at most so many. Those without a place are the last, unless Tail is to follow
// after the place that is returned: it emits them once they have one.
func Newest(ctx context.Context, s store.Store, f Filter, most int, follows bool, emit func(Line) error) (read uint64, err error) {
	who, err := f.who(ctx, s)
	if err != nil {
		return 0, err
	}
	var newest []Line
	keep := func(l Line) error {
		if newest = append(newest, l); len(newest) > most {
			newest = newest[1:]
		}
		return nil
	}
	var last store.Seal
	err = s.View(ctx, func(tx store.Tx) (err error) {
		last, err = tx.Events().LastSeal()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the newest events: %w", err)
	}
	from := uint64(0)
	if f == (Filter{}) { // they are at the end
		from = last.Place - min(last.Place, uint64(max(most, 0)))
	}
	if read, err = f.follow(ctx, s, who, from, keep); err != nil {
		return read, err
	}
	var rest []Line
	if follows {
		return read, emitAll(newest, emit)
	}
	err = s.View(ctx, func(tx store.Tx) error {
		rest = nil
		for e, err := range tx.Events().Unsealed() {
			if err != nil {
				return err
			}
			if f.has(e, who) {
				rest = append(rest, Line{0, appendCanonical(nil, e)})
			}
		}
		return nil
	})
	if err != nil {
		return read, fmt.Errorf("reading the newest events: %w", err)
	}
	for _, l := range rest {
		_ = keep(l) // it does not fail
	}
	return read, emitAll(newest, emit)
}

func emitAll(lines []Line, emit func(Line) error) error {
	for _, l := range lines {
		if err := emit(l); err != nil {
			return err
		}
	}
	return nil
}

// who finds the user of a filter; nil if it names none.
func (f Filter) who(ctx context.Context, s store.Store) (*person, error) {
	if f.Person == "" {
		return nil, nil
	}
	p, err := find(ctx, s, f.Person)
	if err != nil {
		return nil, fmt.Errorf("looking for a user in the audit trail: %w", err)
	}
	return p, nil
}

func (f Filter) follow(ctx context.Context, s store.Store, who *person, after uint64, emit func(Line) error) (uint64, error) {
	r := reader{store: s, loose: map[uint64]bool{}}
	r.last.Place = after
	err := s.View(ctx, func(tx store.Tx) error { // else the first page would read the trail from its beginning
		for seal, err := range tx.Events().Seals(after - min(after, 1)) {
			if r.high = seal.Event; err != nil || seal.Place != after {
				r.high = 0
			}
			return err
		}
		return nil
	})
	if err != nil {
		return after, fmt.Errorf("reading the audit trail: %w", err)
	}
	for {
		page, err := r.next(ctx)
		if err != nil || len(page) == 0 {
			return r.last.Place, err
		}
		for _, p := range page {
			r.last = p.Seal
			if p.event == nil || !f.has(*p.event, who) {
				continue
			}
			if err := emit(Line{p.Place, appendCanonical(nil, *p.event)}); err != nil {
				return r.last.Place, err
			}
		}
	}
}

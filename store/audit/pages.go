package audit

import (
	"context"
	"errors"

	"github.com/scimbridge/scimbridge/store"
)

// pageSize is the number of places read in one transaction. A long transaction keeps a store from reusing
// its space, and the reader may be slow.
const pageSize = 500

// placed is a seal with its event; nil if the event is missing.
type placed struct {
	store.Seal
	event *store.Event
}

// reader goes through a trail page by page.
type reader struct {
	store store.Store
	last  store.Seal // the last one read, or the anchor
	// high is the highest number of an event with a place so far; loose are the events below it without one.
	high  uint64
	loose map[uint64]bool
}

// next reads a page; an empty one is the end. It skips places that were forgotten since the page before.
func (r *reader) next(ctx context.Context) (page []placed, err error) {
	high := r.high
	err = r.store.View(ctx, func(tx store.Tx) error {
		page, high = nil, r.high
		e := tx.Events()
		anchor, err := e.Anchor()
		if err != nil {
			return err
		}
		if anchor.Place > r.last.Place {
			r.last = anchor
		}
		for s, err := range e.Seals(r.last.Place) {
			if err != nil {
				return err
			}
			page, high = append(page, placed{Seal: s}), max(high, s.Event)
			if len(page) == pageSize {
				break
			}
		}
		return r.fill(e, page, high)
	})
	r.high = high
	return page, err
}

// fill reads the events of a page, and records those between them that are not in it.
func (r *reader) fill(e store.Events, page []placed, high uint64) error {
	if len(page) == 0 {
		return nil
	}
	from, at := r.high, make(map[uint64]*placed, len(page))
	for i := range page {
		from, at[page[i].Event] = min(from, page[i].Event-1), &page[i]
		delete(r.loose, page[i].Event)
	}
	for ev, err := range e.Since(from) {
		if err != nil {
			return err
		}
		if ev.Seq > high {
			break
		}
		if p := at[ev.Seq]; p != nil {
			p.event = &ev
		} else if ev.Seq > r.high {
			r.loose[ev.Seq] = true
		}
	}
	return nil
}

// keepLoose keeps the loose events that exist, have no later place and wait for none.
func (r *reader) keepLoose(e store.Events) error {
	for ev, err := range e.Unsealed() {
		if err != nil {
			return err
		}
		delete(r.loose, ev.Seq)
	}
	for s, err := range e.Seals(r.last.Place) {
		if err != nil {
			return err
		}
		if delete(r.loose, s.Event); len(r.loose) == 0 {
			break
		}
	}
	for seq := range r.loose {
		switch _, err := e.Event(seq); {
		case errors.Is(err, store.ErrNotFound): // it got a place, and was forgotten with it
			delete(r.loose, seq)
		case err != nil:
			return err
		}
	}
	return nil
}

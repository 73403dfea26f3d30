package audit

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Filter selects events. An empty field selects all.
type Filter struct {
	Since, Until time.Time // [Since, Until)
	Person       string    // a userName, an e-mail address, an externalId, the id of a user, or an account
	Role         string    // a role, or a target
	Backend      string
	Configured   bool   // Backend exists, also if no event is about it
	Request      string // a request id: its changes, and the grants and revocations that followed
	Type         string // a type of events, or its first part: "hold" selects "hold.approve", too
}

func (f Filter) has(e store.Event, p *person) bool {
	return (f.Since.IsZero() || !e.At.Before(f.Since)) && (f.Until.IsZero() || e.At.Before(f.Until)) &&
		(f.Backend == "" || e.Backend == f.Backend) && (f.Request == "" || e.Request == f.Request) &&
		(f.Type == "" || e.Type == f.Type || strings.HasPrefix(e.Type, f.Type+".")) && (f.Role == "" || e.Role != "" && (store.Fold(e.Role) == store.Fold(f.Role) || e.Target == f.Role)) &&
		(p == nil || p.in(e))
}

// line is one exported event: see doc.go.
type line struct {
	Place    uint64   `json:"place,omitempty"`
	Previous string   `json:"previous,omitempty"`
	Digest   string   `json:"digest,omitempty"`
	Names    []string `json:"rfc9967,omitempty"`
	// People are the current userNames of the members that still exist.
	People map[string]string `json:"people,omitempty"`
	Event  json.RawMessage   `json:"event"`
}

// Export writes the selected events as JSON lines, in the order of the chain, then those without a place. The error is a
// *nearest.UnknownError if a name of the filter is in no event; nothing was written then.
func Export(ctx context.Context, s store.Store, f Filter, to io.Writer) error {
	out := bufio.NewWriter(to)
	w := writer{store: s, filter: f, to: json.NewEncoder(out)}
	w.to.SetEscapeHTML(false) // keeps the canonical form of the event
	if err := w.run(ctx); err != nil {
		return fmt.Errorf("writing the audit trail: %w", err)
	}
	return out.Flush()
}

type writer struct {
	store  store.Store
	filter Filter
	person *person
	to     *json.Encoder
	lines  int
}

func (w *writer) run(ctx context.Context) (err error) {
	if w.person, err = w.filter.who(ctx, w.store); err != nil {
		return err
	}
	r := reader{store: w.store, loose: map[uint64]bool{}}
	for {
		page, err := r.next(ctx)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			if ended, err := w.unsealed(ctx, r.last); err != nil {
				return err
			} else if ended {
				return w.filter.explainNothing(ctx, w)
			}
		}
		for _, p := range page {
			previous := r.last
			r.last = p.Seal
			if p.event == nil || !w.filter.has(*p.event, w.person) { // Verify reports missing events
				continue
			}
			err := w.line(ctx, *p.event, line{Place: p.Place, Previous: hex.EncodeToString(previous.Digest[:]), Digest: hex.EncodeToString(p.Digest[:])})
			if err != nil {
				return err
			}
		}
	}
}

// unsealed writes the events without a place, unless some have got one since the last read.
func (w *writer) unsealed(ctx context.Context, read store.Seal) (ended bool, err error) {
	var rest []store.Event
	err = w.store.View(ctx, func(tx store.Tx) error {
		rest = nil
		last, err := tx.Events().LastSeal()
		if ended = last.Place <= read.Place; err != nil || !ended {
			return err
		}
		for e, err := range tx.Events().Unsealed() {
			if err != nil {
				return err
			}
			rest = append(rest, e)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, e := range rest {
		if !w.filter.has(e, w.person) {
			continue
		}
		if err := w.line(ctx, e, line{}); err != nil {
			return false, err
		}
	}
	return ended, nil
}

// line completes a line and writes it.
func (w *writer) line(ctx context.Context, e store.Event, l line) error {
	l.Names, l.Event = names(e), appendCanonical(nil, e)
	if ids := slices.Concat(e.Added, e.Removed); len(ids) > 0 {
		err := w.store.View(ctx, func(tx store.Tx) error {
			l.People = map[string]string{}
			for _, id := range ids {
				u, err := tx.Directory(e.IdP).User(id)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if err == nil {
					l.People[id] = u.UserName
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	w.lines++
	return w.to.Encode(l)
}

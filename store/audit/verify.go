package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Report is the result of Verify.
type Report struct {
	Events    uint64    `json:"events"` // with a place
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Forgotten uint64    `json:"forgotten"` // places before the first
	Place     uint64    `json:"place"`     // of the head
	Head      string    `json:"head"`      // the digest of the last place, to be recorded elsewhere
	Waiting   uint64    `json:"waiting"`   // events without a place yet
	// Known is the place of a head that was recorded earlier; 0 if none was given.
	Known uint64 `json:"known,omitempty"`
	// Broken is the first difference from the seals; "" without one.
	Broken string `json:"broken,omitempty"`
}

// Verify checks the chain from the first place to the last. It reports the first event that is missing,
// altered, moved or was never sealed.
//
// known is a recorded head in hexadecimal, which must be in the chain; "" without one. Only with it Verify
// finds a trail that was cut at its end or chained again from the start. An error means that the check
// itself failed.
func Verify(ctx context.Context, s store.Store, known string) (Report, error) {
	noted, err := notedHead(known)
	if err != nil {
		return Report{}, err
	}
	v := verifier{noted: noted, reader: reader{store: s, loose: map[uint64]bool{}}}
	err = v.run(ctx)
	if errors.Is(err, store.ErrDamaged) {
		v.Broken, err = fmt.Sprintf("after place %d: %v", v.last.Place, err), nil
	}
	if err == nil && v.Broken == "" && known != "" && v.Known == 0 {
		v.Broken = "the recorded head is not in the chain: the trail was cut or rewritten since, or has forgotten that place"
	}
	v.Place, v.Head = v.last.Place, hex.EncodeToString(v.last.Digest[:])
	return v.Report, err
}

type verifier struct {
	Report
	reader
	noted []byte
}

func (v *verifier) run(ctx context.Context) error {
	for first := true; ; first = false {
		before := v.last.Place
		page, err := v.next(ctx)
		if err != nil {
			return err
		}
		if first || v.last.Place > before { // the anchor
			v.Forgotten = v.last.Place
			v.meet(v.last)
		}
		for _, p := range page {
			if v.Broken = v.wrong(p); v.Broken != "" {
				return nil
			}
			v.last = p.Seal
			v.meet(p.Seal)
			if v.Events++; v.From.IsZero() {
				v.From = p.event.At
			}
			v.To = p.event.At
		}
		if len(page) == 0 {
			break
		}
	}
	var err error
	if v.Broken, err = v.stray(ctx); err != nil || v.Broken != "" {
		return err
	}
	return v.store.View(ctx, func(tx store.Tx) error {
		v.Waiting = 0
		for _, err := range tx.Events().Unsealed() {
			if err != nil {
				return err
			}
			v.Waiting++
		}
		return nil
	})
}

// stray reports an event that never had a place.
func (v *verifier) stray(ctx context.Context) (string, error) {
	if len(v.loose) == 0 {
		return "", nil
	}
	err := v.store.View(ctx, func(tx store.Tx) error { return v.keepLoose(tx.Events()) })
	if err != nil || len(v.loose) == 0 {
		return "", err
	}
	return fmt.Sprintf("event %d has no place, but later events have: it was inserted afterwards", slices.Min(slices.Collect(maps.Keys(v.loose)))), nil
}

// meet checks whether a place is the recorded head.
func (v *verifier) meet(s store.Seal) {
	if bytes.Equal(s.Digest[:], v.noted) {
		v.Known = s.Place
	}
}

// wrong returns the difference of the next place from its seal; "" without one.
func (v *verifier) wrong(p placed) string {
	switch {
	case p.Place != v.last.Place+1:
		return fmt.Sprintf("place %d is missing: %d is followed by %d", v.last.Place+1, v.last.Place, p.Place)
	case p.event == nil:
		return fmt.Sprintf("place %d: event %d is missing", p.Place, p.Event)
	case digest(v.last.Digest, *p.event) != p.Digest:
		return fmt.Sprintf("place %d: event %d (%s, %s) is not what was sealed there", p.Place, p.Event, p.event.At.Format(time.RFC3339), p.event.Type)
	}
	return ""
}

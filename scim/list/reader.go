package list

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/store"
)

const (
	paceSteps    = 32        // steps between two checks of the clock
	lightMembers = 10_000    // memberships that a light read may read
	maxAnswer    = 128 << 20 // bytes of a page of several resources
)

// ErrHeavy is the error of a read that must be run again as a heavy one, of which few run at a time.
var ErrHeavy = errors.New("a heavy read")

// Limits limit a read.
type Limits struct {
	Now   func() time.Time
	For   time.Duration // 0: without limit
	Heavy bool          // the request has a turn for a heavy read
}

// Reader is a directory whose reads end when the client leaves or the time is over. A read that is
// not heavy gets [ErrHeavy] in the place of many memberships.
type Reader struct {
	store.Directory
	ctx     context.Context
	limits  Limits
	end     time.Time // zero: without limit
	steps   int
	members int
}

// NewReader returns a reader of a directory. The time begins now.
func NewReader(ctx context.Context, d store.Directory, l Limits) *Reader {
	r := &Reader{Directory: d, ctx: ctx, limits: l}
	if l.For > 0 {
		r.end = l.Now().Add(l.For)
	}
	return r
}

// step counts one resource or membership that was read.
func (r *Reader) step() error {
	if r.steps++; r.steps%paceSteps != 0 {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if !r.end.IsZero() && r.limits.Now().After(r.end) {
		return message.TooMany("the list takes too long: ask for less, by equality with userName, externalId, displayName, emails or id, or without a filter and an order")
	}
	return nil
}

// Members lists the members of a group.
func (r *Reader) Members(group string) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		for m, err := range r.Directory.Members(group) {
			if r.members++; r.members > lightMembers && !r.limits.Heavy {
				err = ErrHeavy
			}
			if err == nil {
				err = r.step()
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

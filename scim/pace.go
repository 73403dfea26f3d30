package scim

import (
	"context"
	"iter"
	"net/http"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/store"
)

const (
	defaultScanTime = 10 * time.Second
	paceSteps       = 32        // of a walk, between two looks at the clock
	lightMembers    = 10_000    // that a request reads without a turn
	maxList         = 128 << 20 // bytes of a page of several resources
)

// scimTypeTooMany is for a list that would take more than the server gives (RFC 7644 section 3.12).
const scimTypeTooMany = "tooMany"

// pace ends a walk whose client has left, or that takes too long.
type pace struct {
	ctx   context.Context
	now   func() time.Time
	end   time.Time // zero: it may take as long as it takes
	steps int
}

// step is called for everything that a walk reads.
func (p *pace) step() error {
	if p.steps++; p.steps%paceSteps != 0 {
		return nil
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if !p.end.IsZero() && p.now().After(p.end) {
		return tooMany("the list takes too long: ask for less, by equality with userName, externalId, displayName, emails or id, or without a filter and an order")
	}
	return nil
}

func tooMany(detail string) error {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimTypeTooMany, Detail: detail}
}

// paced is a directory that is read at a pace. Without a turn for heavy reads it gives no more than
// lightMembers memberships.
type paced struct {
	store.Directory
	pace    pace
	heavy   bool
	members int
}

// Members lists the members of a group.
func (d *paced) Members(group string) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		for m, err := range d.Directory.Members(group) {
			if d.members++; d.members > lightMembers && !d.heavy {
				err = errHeavy
			}
			if err == nil {
				err = d.pace.step()
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

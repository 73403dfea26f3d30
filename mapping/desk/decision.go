package desk

import (
	"context"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// Decision is what an operator decides about a hold, and why.
type Decision struct {
	By      store.Origin // the operator and the request; Decide adds the time
	Reason  string       // in the words of the operator
	Approve bool         // false: reject
	// Two: an approval needs two operators, and not the one whose reload caused the hold.
	Two bool
}

// signed adds the operator and the reason to the event of a decision.
func (d Decision) signed(e store.Event) store.Event {
	e = memory.Decided(e, d.By)
	e.Reason = d.Reason
	return e
}

// Decide approves or rejects a hold. An approval releases what the hold keeps back, as far as it is
// still unwanted; a rejection leaves the grants where they are and disowns them. The id is the one
// that Holds lists: it pins the content. ErrNoHold: there is no such hold; ErrChanged: it is not what
// was listed. A grant of a user under `protect`, or of the credential's own account, cannot be
// approved: ErrProtected. About a group that took a name which is bound to another group, an
// approval binds the name to it, and a rejection keeps it out. more: of two approvals it was the first,
// and nothing was done yet; ErrSameOperator and ErrCaused say who may not give the second.
func (w *Desk) Decide(ctx context.Context, id string, d Decision) (more bool, err error) {
	d.By.At = w.Clock()
	return w.decide(ctx, id, d, d.Approve)
}

// Approve is Decide for an actor who gives no reason.
func (w *Desk) Approve(ctx context.Context, id, actor, request string) error {
	_, err := w.Decide(ctx, id, Decision{By: store.Origin{Initiator: actor, Request: request}, Approve: true})
	return err
}

// Reject is the other decision: see Approve.
func (w *Desk) Reject(ctx context.Context, id, actor, request string) error {
	_, err := w.Decide(ctx, id, Decision{By: store.Origin{Initiator: actor, Request: request}})
	return err
}

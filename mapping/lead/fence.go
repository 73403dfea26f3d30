package lead

import (
	"context"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// within returns a context that ends with the trust, or with ctx.
func (t *term) within(ctx context.Context, doing string) (context.Context, context.CancelFunc, error) {
	if _, trusted := t.deadline(); !trusted {
		return nil, nil, &backend.Error{Kind: backend.Transient, Doing: doing, Unsent: true, Err: store.ErrFenced}
	}
	limited, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-t.over:
			cancel()
		case <-limited.Done():
		}
	}()
	return limited, cancel, nil
}

// fencedBackend calls a backend to change something only within a term: a graceful stop lets such a call
// end, the end of the trust cuts it. A read ends with the context of the worker.
type fencedBackend struct {
	backend.Backend
	term *term
}

func (b fencedBackend) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	ctx, cancel, err := b.term.within(ctx, "changing roles")
	if err != nil {
		return nil, err
	}
	defer cancel()
	return b.Backend.Apply(ctx, d)
}

func (b fencedBackend) Invite(ctx context.Context, target, email string) error {
	ctx, cancel, err := b.term.within(ctx, "asking for an account")
	if err != nil {
		return err
	}
	defer cancel()
	return b.Backend.Invite(ctx, target, email)
}

func (b fencedBackend) Offboard(ctx context.Context, target string, a backend.Account) error {
	ctx, cancel, err := b.term.within(ctx, "ending a membership or account")
	if err != nil {
		return err
	}
	defer cancel()
	return b.Backend.Offboard(ctx, target, a)
}

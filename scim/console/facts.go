package console

import (
	"context"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim/notify"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Facts returns what the conditions of package notify follow from, in the numbers of `status`.
func (c *Console) Facts(ctx context.Context) (f notify.Facts, err error) {
	now := c.now()
	var backends []BackendStatus
	err = c.Store.View(ctx, func(tx store.Tx) error {
		backends, f.Rejected = nil, int(c.refused(now))
		for r, err := range record.List(tx, record.Rejections{}) {
			if err != nil {
				return err
			}
			if r.Replica != c.Self && r.Expires.After(now) {
				f.Rejected += int(r.Count)
			}
		}
		for _, b := range c.Backends {
			one, err := b.status(tx)
			if err != nil {
				return err
			}
			backends = append(backends, one)
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	for i, b := range c.Backends {
		one := notify.BackendFacts{Name: b.Name, State: backends[i].State, Blocked: backends[i].Blocked}
		_, called := c.Metrics.called.Load(b.Name)
		state, _ := b.Engine.Health()
		one.Uncalled = !called && state != delivery.Following
		if one.OldestRemoval, err = b.Engine.OldestRemoval(ctx); err != nil {
			return f, err
		}
		holds, err := b.Engine.HoldSizes(ctx)
		if err != nil {
			return f, err
		}
		for _, h := range holds {
			one.Holds = append(one.Holds, notify.HoldFacts{ID: h.ID, Why: h.Why, Changes: h.Changes})
		}
		f.Backends = append(f.Backends, one)
	}
	f.Expiring = c.ends()
	return f, nil
}

// ends lists what has an end: tokens, keys of operators.
func (c *Console) ends() (out []notify.Credential) {
	for _, t := range c.Tokens {
		out = append(out, notify.Credential{Kind: notify.Token, Of: t.IdP, Name: t.Token, Expires: t.Expires})
	}
	if c.Operators != nil {
		for _, k := range c.Operators() {
			out = append(out, notify.Credential{Kind: notify.OperatorKey, Name: k.IdP, Expires: k.Expires})
		}
	}
	return out
}

package console

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Token is a credential of an identity provider: a token by the beginning of its hash, or a client
// by its id.
type Token struct {
	IdP     string
	Token   string
	Expires time.Time // zero: never
}

func (t Token) row() record.Credential { return record.Credential{IdP: t.IdP, Token: t.Token} }

// NoteTokens stores since when each token is configured: the file does not say it.
func (c *Console) NoteTokens(ctx context.Context, now time.Time) error {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		for _, t := range c.Tokens {
			c, there, err := record.Get(tx, t.row())
			if err != nil {
				return err
			}
			if there && !c.Since.IsZero() {
				continue
			}
			c.IdP, c.Token, c.Since, c.Expires = t.IdP, t.Token, now.UTC().Truncate(time.Second), time.Time{}
			if err := record.Put(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing the tokens: %w", err)
	}
	return nil
}

func (c *Console) tokens(tx store.Tx, idp string) []TokenStatus {
	out, uses := []TokenStatus{}, lastUses(tx, idp)
	for _, t := range c.Tokens {
		if t.IdP != idp {
			continue
		}
		c, _, err := record.Get(tx, t.row())
		if err != nil {
			c = record.Credential{}
		}
		out = append(out, TokenStatus{t.Token, c.Since, t.Expires, uses[t.Token]})
	}
	return append(out, signedCallers(uses)...)
}

package console

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Token is a credential of an identity provider: a token by the beginning of its hash, or a client
// by its id.
type Token struct {
	IdP     string
	Token   string
	Expires time.Time // zero: never
}

func (t Token) setting() string { return "token/" + t.IdP + "/" + t.Token }

// NoteTokens stores since when each token is configured: the file does not say it.
func (c *Console) NoteTokens(ctx context.Context, now time.Time) error {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		for _, t := range c.Tokens {
			if tx.Setting(t.setting()) != nil {
				continue
			}
			if err := tx.SetSetting(t.setting(), []byte(now.UTC().Format(time.RFC3339))); err != nil {
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
		since, err := time.Parse(time.RFC3339, string(tx.Setting(t.setting())))
		if err != nil {
			since = time.Time{}
		}
		out = append(out, TokenStatus{t.Token, since, t.Expires, uses[t.Token]})
	}
	return append(out, signedCallers(uses)...)
}

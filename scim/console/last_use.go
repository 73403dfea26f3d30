package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// maxUses limits the recorded credentials of an identity provider: a signed token may name any
// subject.
const maxUses = 200

// Uses records when each credential was last accepted. Requests record it in memory; Write stores
// it later, so that no request waits. The zero value is ready; its methods may be called
// concurrently.
type Uses struct {
	mu    sync.Mutex
	noted map[string]map[string]time.Time // since the last Write, by identity provider and credential
}

// Note records an accepted request.
func (u *Uses) Note(idp, token string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.noted == nil {
		u.noted = map[string]map[string]time.Time{}
	}
	of := u.noted[idp]
	if of == nil {
		of = map[string]time.Time{}
		u.noted[idp] = of
	}
	if last, there := of[token]; at.After(last) && (there || len(of) < maxUses) {
		of[token] = at
	}
}

// Write stores the recorded uses, unless another process has stored a later one. After an error
// they are stored the next time.
func (u *Uses) Write(ctx context.Context, s store.Store) error {
	u.mu.Lock()
	noted := u.noted
	u.noted = nil
	u.mu.Unlock()
	if len(noted) == 0 {
		return nil
	}
	err := s.Update(ctx, func(tx store.Tx) error {
		for _, idp := range slices.Sorted(maps.Keys(noted)) {
			if err := putUses(tx, idp, noted[idp]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for idp, of := range noted {
			for token, at := range of {
				u.Note(idp, token, at)
			}
		}
		return fmt.Errorf("storing the use of credentials: %w", err)
	}
	return nil
}

// storeUses stores the uses that were recorded here, so that a status knows them. If that fails, they are stored later.
func (c *Console) storeUses(ctx context.Context) {
	if c.Uses != nil {
		_ = c.Uses.Write(ctx, c.Store) // the status says itself how the store is
	}
}

// merged returns the later use of each credential. It drops the oldest beyond maxUses.
func merged(all, more map[string]time.Time) map[string]time.Time {
	for token, at := range more {
		if at.After(all[token]) {
			all[token] = at.UTC().Truncate(time.Second)
		}
	}
	for len(all) > maxUses {
		delete(all, slices.MinFunc(slices.Collect(maps.Keys(all)), func(a, b string) int { return all[a].Compare(all[b]) }))
	}
	return all
}

// putUses stores the uses that are later than the stored ones, and forgets those that are too many.
func putUses(tx store.Tx, idp string, noted map[string]time.Time) error {
	before := lastUses(tx, idp)
	after := merged(maps.Clone(before), noted)
	for token := range before {
		if _, kept := after[token]; kept {
			continue
		}
		if err := putUse(tx, idp, token, time.Time{}); err != nil {
			return err
		}
	}
	for token, at := range after {
		if at.Equal(before[token]) {
			continue
		}
		if err := putUse(tx, idp, token, at); err != nil {
			return err
		}
	}
	return nil
}

// putUse stores the last use of a credential. One that no configuration lists is forgotten some time after it.
func putUse(tx store.Tx, idp, token string, at time.Time) error {
	c, _, err := record.Get(tx, record.Credential{IdP: idp, Token: token})
	if err != nil {
		return err
	}
	c.IdP, c.Token, c.LastUse = idp, token, at
	if c.Since.IsZero() {
		if at.IsZero() {
			return record.Delete(tx, c)
		}
		c.Expires = at.Add(record.UnusedCredential)
	}
	return record.Put(tx, c)
}

func lastUses(tx store.Tx, idp string) map[string]time.Time {
	all := map[string]time.Time{}
	for c, err := range record.List(tx, record.Credential{IdP: idp}) {
		if err != nil {
			return map[string]time.Time{} // a record that cannot be read is as good as none
		}
		if !c.LastUse.IsZero() {
			all[c.Token] = c.LastUse
		}
	}
	return all
}

// signedCallers returns the subjects of signed tokens, which no configuration lists, with their
// last use.
func signedCallers(uses map[string]time.Time) []TokenStatus {
	var out []TokenStatus
	for _, token := range slices.Sorted(maps.Keys(uses)) {
		if strings.HasPrefix(token, "jwt-") {
			out = append(out, TokenStatus{Token: token, LastUse: uses[token]})
		}
	}
	return out
}

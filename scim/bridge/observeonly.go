package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/audit"
)

// restored names the setting with the time when a copy became the store.
const restored = "restored"

// Resume ends the observe-only state after a restore and reports whether there was one.
func (b *Bridge) Resume(ctx context.Context, by console.Decision) (observed bool, err error) {
	err = b.store.Update(ctx, func(tx store.Tx) error {
		if observed = tx.Setting(restored) != nil; !observed {
			return nil
		}
		if _, err := tx.Events().Append(by.Sign(store.Event{At: b.now().UTC(), Type: "resume"})); err != nil {
			return err
		}
		return tx.SetSetting(restored, nil)
	})
	if err != nil {
		return false, fmt.Errorf("ending observe-only: %w", err)
	}
	for _, w := range b.workers {
		w.Standby(false)
	}
	return observed, nil
}

// observesSince returns when a copy became the store if it was not resumed since; "" otherwise.
func observesSince(ctx context.Context, s store.Store) (since string, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		since = string(tx.Setting(restored))
		return nil
	})
	return since, err
}

// Contents counts what a restored store holds.
type Contents struct {
	Store  string `json:"store"`
	Users  int    `json:"users"`
	Groups int    `json:"groups"`
	Grants int    `json:"grants"`
	Broken string `json:"audit_trail_broken,omitempty"` // where the audit trail of the copy does not verify
}

// ObserveOnly marks a store as restored before it is filled: a server that starts on an import that
// broke off changes nothing at any backend.
func ObserveOnly(ctx context.Context, s store.Store) error {
	return s.Update(ctx, func(tx store.Tx) error {
		return tx.SetSetting(restored, []byte(time.Now().UTC().Format(time.RFC3339)))
	})
}

// MarkRestored marks a store that was filled from a copy as restored, drops the keys that sign
// tokens, and counts what the store holds. The server observes only until it is resumed.
func MarkRestored(ctx context.Context, s store.Store) (found Contents, err error) {
	trail, err := audit.Verify(ctx, s, "")
	if err != nil {
		return found, err
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		now := time.Now().UTC()
		found = Contents{Broken: trail.Broken}
		for _, idp := range tx.IdPs() {
			found.Users, found.Groups = found.Users+tx.Directory(idp).UserCount(), found.Groups+tx.Directory(idp).GroupCount()
		}
		for _, name := range tx.Backends() {
			for _, err := range tx.Ledger(name).Entries("", "") {
				if err != nil {
					return err
				}
				found.Grants++
			}
		}
		if _, err := tx.Events().Append(store.Event{At: now, Type: "restore", Actor: "operator"}); err != nil {
			return err
		}
		if err := tx.SetSetting(signingKeys, nil); err != nil { // they are in the copy, too
			return err
		}
		return tx.SetSetting(restored, []byte(now.Format(time.RFC3339)))
	})
	return found, err
}

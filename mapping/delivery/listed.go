package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

// ErrChanged is the answer to a decision about a hold that is not, or is no longer, what was
// listed.
var ErrChanged = errors.New("the hold is not what was listed")

// digestBytes is how much of a digest an id carries: too much for a content to be found that has
// the same.
const digestBytes = 8

// seal completes a hold with the digest of its content, and puts it into the id.
func (h *Hold) seal() error {
	raw, err := json.Marshal([]any{h.Target, h.Why, h.Grants, h.Group})
	if err != nil {
		return fmt.Errorf("computing the digest of a hold: %w", err)
	}
	sum := sha256.Sum256(raw)
	h.Digest = hex.EncodeToString(sum[:digestBytes])
	h.ID += "." + h.Digest
	return nil
}

// base returns the id without the digest: the one that the ledger, marks and events have.
func (h Hold) base() string { return strings.TrimSuffix(h.ID, "."+h.Digest) }

// Is reports whether an id means this hold: as it is listed here, or without a digest.
func (h Hold) Is(id string) bool { return id == h.ID || id == h.base() }

// listed finds the hold that was listed with this id. ErrChanged: it has another content now;
// ErrNoHold: it is gone.
func listed(all []Hold, id string) (Hold, error) {
	base := id
	if i := strings.LastIndexByte(id, '.'); i >= 0 {
		base = id[:i]
	}
	changed := false
	for _, h := range all {
		if h.ID == id {
			return h, nil
		}
		changed = changed || h.base() == id || h.base() == base
	}
	if changed {
		return Hold{}, ErrChanged
	}
	return Hold{}, ErrNoHold
}

// shown reads which holds were listed for an operator. They take in nothing more.
func (w *Worker) shown(tx store.Tx) (out []string, err error) {
	for h, err := range store.List(tx, store.ShownHold{Backend: w.Name}) {
		if err != nil {
			return nil, fmt.Errorf("reading which holds were listed: %w", err)
		}
		out = append(out, h.ID)
	}
	return out, nil
}

// ShowHolds is Holds for an operator who decides about what is listed: each hold takes in nothing
// more from then on. It may be called from any goroutine.
func (w *Worker) ShowHolds(ctx context.Context) ([]Hold, error) {
	var out []Hold
	fresh := false
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		if out, err = w.allHolds(tx); err != nil {
			return err
		}
		shown, err := w.shown(tx)
		fresh = slices.ContainsFunc(out, func(h Hold) bool { return !slices.Contains(shown, h.base()) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing holds: %w", err)
	}
	if !fresh {
		return out, nil
	}
	var noted []Hold
	err = w.Store.Update(ctx, func(tx store.Tx) (err error) {
		if noted, err = w.allHolds(tx); err != nil {
			return err
		}
		shown := make([]string, len(noted))
		for i, h := range noted {
			shown[i] = h.base()
		}
		return w.putShown(tx, shown)
	})
	if err != nil { // the digest protects a decision all the same
		w.Log.Warn("cannot note which holds were listed: they may take in more until they are a minute old", "backend", w.Name, "error", err)
		return out, nil
	}
	return noted, nil
}

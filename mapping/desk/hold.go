package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Hold is a set of removals, or a group (Why is `pin`), that waits for an operator.
type Hold struct {
	ID      string     `json:"id"`     // with the digest: an id stands for what was listed
	Digest  string     `json:"digest"` // of everything below but Since
	Backend string     `json:"backend"`
	Target  string     `json:"target"`
	Why     string     `json:"why"`
	Since   time.Time  `json:"since"`
	Grants  []HeldItem `json:"grants"`          // that would be taken away
	Group   *HeldGroup `json:"group,omitempty"` // that would be accepted
	// Approved is the first of two approvals, if the configuration asks for two.
	Approved *FirstApproval `json:"approved_by,omitempty"`
	end      bool           // of an off-boarding that takes away more than roles
}

// HeldItem is one role of one account, or a permission set of the target, which all its users would
// lose.
type HeldItem struct {
	Person        string `json:"person"` // the value that found the account
	Account       string `json:"account"`
	Role          string `json:"role"` // or the permission set
	PermissionSet bool   `json:"permission_set,omitempty"`
	Users         int    `json:"users,omitempty"` // of a permission set: how many have the role, by the ledger
}

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

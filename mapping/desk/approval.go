package desk

import (
	"errors"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// FirstApproval is whose approval a hold has while it needs another.
type FirstApproval struct {
	Operator string    `json:"operator"` // the credential: key:NAME
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
}

// ErrSameOperator is the answer to a second approval by the operator who gave the first.
var ErrSameOperator = errors.New("the same operator approved the hold before")

// ErrCaused is the answer to an approval by the operator whose reload caused the hold, where two must approve.
var ErrCaused = errors.New("the reload of this operator caused the hold")

// approvedOnce reads the first approvals of holds, as far as the holds are what was approved.
func approvedOnce(tx store.Tx, all []Hold) error {
	for i, h := range all {
		a, there, err := record.Get(tx, record.Approval{Backend: h.Backend, ID: h.base()})
		if err != nil {
			return err
		}
		if there && a.Digest == h.Digest {
			all[i].Approved = &FirstApproval{a.Operator, a.Reason, a.At}
		}
	}
	return nil
}

// approveOnce notes the first of two approvals. more: the hold needs another.
func approveOnce(w *Desk, tx store.Tx, h Hold, by Decision) (more bool, err error) {
	if h.Why == plan.ChangedRules {
		rules, err := memory.RulesOf(tx, w.Name)
		if err != nil {
			return false, err
		}
		if rules.By != "" && nameOf(rules.By) == nameOf(by.By.Token) {
			return false, ErrCaused
		}
	}
	switch {
	case h.Approved == nil:
	case nameOf(h.Approved.Operator) == nameOf(by.By.Token):
		return false, ErrSameOperator
	default:
		return false, nil
	}
	first := record.Approval{Backend: w.Name, ID: h.base(), Digest: h.Digest, Operator: by.By.Token, Reason: by.Reason, At: w.Clock().UTC().Truncate(time.Millisecond)}
	event := by.signed(store.Event{At: w.Clock(), Type: "hold.approve.first", Backend: w.Name, Target: h.Target, Detail: h.base() + " " + h.Why})
	_, err = tx.Events().Append(event)
	return true, errors.Join(err, record.Put(tx, first))
}

// nameOf is the operator of a credential, whichever way the operator signed in.
func nameOf(credential string) string { return credential[strings.LastIndexByte(credential, ':')+1:] }

// forgetApprovals drops the first approvals of holds that are over.
func forgetApprovals(tx store.Tx, backend string, all []Hold, decided string) error {
	there := map[string]bool{}
	for _, h := range all {
		there[h.base()] = h.base() != decided
	}
	var over []record.Approval
	for a, err := range record.List(tx, record.Approval{Backend: backend}) {
		if err != nil {
			return err
		}
		if !there[a.ID] {
			over = append(over, a)
		}
	}
	for _, a := range over {
		if err := record.Delete(tx, a); err != nil {
			return err
		}
	}
	return nil
}

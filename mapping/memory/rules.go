package memory

import (
	"encoding/json"
	"fmt"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Rules are the rules of a backend as the store has them, with those before as long as what only a change of the rules
// takes away is not decided.
type Rules struct {
	Print   string            `json:"print"`             // the fingerprint of those in force
	InForce json.RawMessage   `json:"in_force"`          // a list of mapping.Rule
	Former  []json.RawMessage `json:"former,omitempty"`  // lists of before
	Fresh   bool              `json:"fresh,omitempty"`   // not everything was compared with those in force yet
	Allowed string            `json:"allowed,omitempty"` // the fingerprint of rules whose revocations an operator lets go
	Cut     bool              `json:"cut,omitempty"`     // the oldest of Former are forgotten
	By      string            `json:"by,omitempty"`      // the credential of the operator who reloaded them last; "": a start
}

func rulesKey(backend string) string { return "rules/" + backend }

// RulesOf reads them; zero if no worker has written any.
func RulesOf(tx store.Tx, backend string) (r Rules, err error) {
	raw := tx.Setting(rulesKey(backend))
	if raw == nil {
		return r, nil
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("reading the rules of before: %w", err)
	}
	return r, nil
}

// Put writes them.
func (r Rules) Put(tx store.Tx, backend string) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the rules of before: %w", err)
	}
	return tx.SetSetting(rulesKey(backend), raw)
}

// RulesAreOf notes which operator takes rules into force.
func RulesAreOf(tx store.Tx, backend, operator string) error {
	r, err := RulesOf(tx, backend)
	if err != nil || r.By == operator {
		return err
	}
	r.By = operator
	return r.Put(tx, backend)
}

// AllowRevocations lets go what rules take away that are in force or are about to be, also what is held of it.
func AllowRevocations(tx store.Tx, backend, print string) error {
	r, err := RulesOf(tx, backend)
	if err != nil {
		return err
	}
	r.Allowed = print
	return r.Put(tx, backend)
}

// HeldByRules lists the holds of what only a change of the rules takes away.
func HeldByRules(tx store.Tx, backend string) (ids []string, err error) {
	all, err := tx.Ledger(backend).Holds()
	for _, h := range all {
		if h.Why == plan.ChangedRules {
			ids = append(ids, h.ID)
		}
	}
	return ids, err
}

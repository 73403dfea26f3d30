package record

import "time"

// Comparison is the last complete comparison of a target with the vendor.
type Comparison struct {
	Backend string
	Target  string
	At      time.Time
	// Settled is the moment of which the comparison shows everything: what was revoked after it may
	// still be in the foreign grants.
	Settled time.Time
	// Shows names the one role of which the vendor shows who has it: AnyRole if it shows all, "" if it
	// shows none.
	Shows string
}

// AnyRole is in Comparison.Shows where the vendor shows every role.
const AnyRole = "*"

// Table implements Record.
func (*Comparison) Table() Table {
	return Table{"comparisons", []string{"backend", "target", "at", "settled", "shows"}, 2, false}
}

// Fields implements Record.
func (r *Comparison) Fields() []any { return []any{&r.Backend, &r.Target, &r.At, &r.Settled, &r.Shows} }

// ForeignGrant is a grant that the last comparison saw at the vendor and that was not in the ledger: a
// foreign grant, unless an operator disowned it.
type ForeignGrant struct {
	Backend string
	Target  string
	Account string
	Role    string
	Key     string    // the value that the vendor shows of the account, folded
	Since   time.Time // of the first of the comparisons in a row that saw it
}

// Table implements Record.
func (*ForeignGrant) Table() Table {
	return Table{"foreign_grants", []string{"backend", "target", "account", "role", "key", "since"}, 4, false}
}

// Fields implements Record.
func (r *ForeignGrant) Fields() []any {
	return []any{&r.Backend, &r.Target, &r.Account, &r.Role, &r.Key, &r.Since}
}

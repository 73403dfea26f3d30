package patch

import (
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// maxOperations is how many operations one request may have.
const maxOperations = 10_000

// Resource describes the kind of resource that a PATCH changes.
type Resource struct {
	Schema filter.Schema
	Rows   string // the attribute whose values the store keeps as rows ("members" of a Group), or ""
}

// Change is a PATCH request: Attributes for [Apply], Rows for the store, each in the order of the
// request.
type Change struct {
	Attributes []Operation
	Rows       []RowOp
	Ignored    []string // names without effect, such as unknown attributes; short, for the log
}

// Operation is one validated change of one attribute. [Parse] makes it, [Apply] uses it.
type Operation struct {
	verb   verb
	target target
	place  int // in the request
	value  any // the value to set or to add, in canonical form; nil unassigns
}

// Path is the attribute that the operation changes, in the spelling of the schema, without a value
// filter; for audit and log.
func (o Operation) Path() string { return o.target.String() }

// RowKind is the kind of a [RowOp].
type RowKind int

// The kinds of [RowOp].
const (
	AddRows        RowKind = iota + 1 // add Values
	RemoveRows                        // remove Values and no others
	ReplaceRows                       // make the rows those of Values, which is never empty
	ClearRows                         // remove all rows
	RemoveMatching                    // remove the rows that satisfy Match
)

// RowOp is one change of the rows.
type RowOp struct {
	Kind   RowKind
	Values []string      // distinct; for AddRows, RemoveRows and ReplaceRows
	Match  fp.Expression // for RemoveMatching, over one row: {value, type, display, $ref}

	attr filter.Attribute
}

// Matches reports whether row, such as {"value": "2819…", "type": "User"}, satisfies Match.
func (o RowOp) Matches(row map[string]any) (bool, error) {
	if o.Match == nil {
		return false, nil
	}
	return o.attr.Match(o.Match, row)
}

// verb is the op of an operation.
type verb int

const (
	add verb = iota + 1
	replace
	remove
)

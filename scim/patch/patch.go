package patch

import (
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// DefaultMaxOperations is how many operations one request may carry unless [Resource].MaxOperations says otherwise.
const DefaultMaxOperations = 10_000

// Resource describes the kind of resource that a PATCH is about.
type Resource struct {
	Schema        filter.Schema
	Rows          string // the attribute whose values the store keeps as rows ("members" of a Group), or ""
	MaxOperations int    // 0 means DefaultMaxOperations
}

// Change is what a PATCH request asks for: Attributes for [Apply], Rows for the store, each in the order of the request.
type Change struct {
	Attributes []Operation
	Rows       []RowOp
	Ignored    []string // what was accepted without effect, such as attributes that the schema does not know; short, for the log
}

// Operation is one validated change of one attribute. [Parse] makes it, [Apply] uses it.
type Operation struct {
	verb   verb
	target target
	place  int // in the request
	value  any // what the attribute or sub-attribute becomes or gains, in canonical form; nil unassigns
}

// Path is the attribute that the operation changes, in the spelling of the schema, without a value filter; for audit and log.
func (o Operation) Path() string { return o.target.String() }

// RowKind says what a [RowOp] does.
type RowKind int

// The kinds of [RowOp].
const (
	AddRows        RowKind = iota + 1 // Values join
	RemoveRows                        // Values leave, and no others
	ReplaceRows                       // Values are all that remain; never empty
	ClearRows                         // nothing remains
	RemoveMatching                    // the rows that satisfy Match leave
)

// RowOp is one change of the rows.
type RowOp struct {
	Kind   RowKind
	Values []string      // distinct; for AddRows, RemoveRows and ReplaceRows
	Match  fp.Expression // for RemoveMatching, over one row: {value, type, display, $ref}

	attr filter.Attribute
}

// Matches says whether row, such as {"value": "2819…", "type": "User"}, satisfies Match.
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

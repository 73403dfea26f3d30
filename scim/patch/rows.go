package patch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/scim/value"
)

// maxRowValue is the longest value of a row in bytes.
const maxRowValue = 1024

// rowsPath reports whether path names the attribute stored as rows and returns what follows its
// name: "", "[…]…" or "….…".
func (r Resource) rowsPath(path string) (rest string, ok bool) {
	n := len(r.Rows)
	if n == 0 || len(path) < n || !strings.EqualFold(path[:n], r.Rows) {
		return "", false
	}
	rest = path[n:]
	if trimmed := strings.TrimLeft(rest, " "); trimmed == "" || trimmed[0] == '[' {
		return trimmed, true
	}
	return rest, rest[0] == '.'
}

// rows reads an operation on the rows; rest is what its path has after the attribute's name.
func (rd *reader) rows(verb verb, rest string, given value.JSON) error {
	if rest != "" {
		return rd.rowsByFilter(verb, rest)
	}
	if rd.creating {
		verb = add
	}
	if given == nil && verb == remove {
		rd.emitRows(RowOp{Kind: ClearRows})
		return nil
	}
	values, n, err := rd.rowValues(given)
	switch {
	case err != nil:
		return wrong(rd.Rows, err)
	case n == saysNothing && verb == add:
		return nil
	case n == saysNothing:
		return fail(errors.ScimErrorInvalidValue, "%s: null names no value; to take all of them away, replace with [] or remove without a value", rd.Rows)
	case verb == replace && n == 0:
		rd.emitRows(RowOp{Kind: ClearRows})
	case verb != add && len(values) == 0 && n > 0: // also for a remove: it would remove nothing and report success
		return fail(errors.ScimErrorInvalidValue, "%s: expected a value in one of the elements, got none; to take all of them away, replace with []", rd.Rows)
	case verb == replace:
		rd.emitRows(RowOp{Kind: ReplaceRows, Values: values})
	case len(values) == 0: // an empty list adds and removes nothing; an absent one removes all
	case verb == add:
		rd.emitRows(RowOp{Kind: AddRows, Values: values})
	default:
		rd.emitRows(RowOp{Kind: RemoveRows, Values: values})
	}
	return nil
}

// rowsByFilter reads an operation on members[…], or on a part of members. Only a remove makes
// sense: the parts of a member are immutable.
func (rd *reader) rowsByFilter(verb verb, rest string) error {
	part, chosen := rest, selection{}
	if rest[0] == '[' {
		end := strings.LastIndexByte(rest, ']') + 1 // the name of a part has no bracket
		if end == 0 {
			end = len(rest)
		}
		var err error
		if chosen, err = rd.selection(rest[:end]); err != nil {
			return err
		}
		part = rest[end:]
	}
	switch {
	case part != "":
		return rd.partOfRow(part)
	case verb != remove:
		return fail(errors.ScimErrorInvalidPath, "%s[…]: a path with a filter takes only a remove; add and replace name %s in the value", rd.Rows, rd.Rows)
	case chosen.match == nil:
		return rd.removeByValue(chosen.ids)
	}
	if rd.matching++; rd.matching > maxMatching {
		return fail(errors.ScimErrorInvalidFilter, "%s: expected at most %d removals whose filter is more than value eq", rd.Rows, maxMatching)
	}
	rd.emitRows(RowOp{Kind: RemoveMatching, Match: chosen.match, attr: chosen.attr})
	return nil
}

// maxMatching is how many removals of a request may compare every row of the group.
const maxMatching = 20

// partOfRow reads an operation on a part of rows, such as members[value eq "x"].display. A display
// is never stored, so the operation has no effect; the other parts are immutable.
func (rd *reader) partOfRow(part string) error {
	switch name := strings.ToLower(part); name {
	case ".display", ".displayname":
		rd.ignore(rd.Rows + part)
		return nil
	case ".value", ".type", ".$ref":
		return fail(errors.ScimErrorMutability, "%s%s: is immutable", rd.Rows, name)
	}
	return fail(errors.ScimErrorInvalidPath, "%s: expected %s, %s[filter] or a sub-attribute of them", rd.Rows, rd.Rows, rd.Rows)
}

func (rd *reader) removeByValue(ids []string) error {
	for _, id := range ids {
		if !isRowValue(id) {
			return fail(errors.ScimErrorInvalidValue, "%s[…]: the filter has a value that %s cannot have", rd.Rows, rd.Rows)
		}
	}
	rd.emitRows(RowOp{Kind: RemoveRows, Values: ids})
	return nil
}

// saysNothing is the number of elements for null.
const saysNothing = -1

// rowValues reads the values of rows from a list of them or from a single one (E42), as JSON, as a
// JSON text, or wrapped in an object that names the rows again. n is how many elements were given,
// those without a value among them.
func (rd *reader) rowValues(given value.JSON) (values []string, n int, err error) {
	given, f := expandRows(given)
	if inner, ok := value.Wrapped(rd.Rows, given); ok && f == nil {
		given, f = expandRows(inner)
	}
	switch {
	case f != nil:
		return nil, 0, f
	case given == nil:
		return nil, 0, value.Expected("a list", given)
	case given.IsNull():
		return nil, saysNothing, nil
	case !given.IsList():
		id, f := rowValue(given)
		if f != nil {
			return nil, 1, f
		}
		return appendValue(values, id), 1, nil
	}
	err = given.Each(func(i int, element value.JSON) error {
		n = i + 1
		id, f := rowValue(element)
		if f != nil {
			return f.At("[" + strconv.Itoa(i) + "]")
		}
		values = appendValue(values, id)
		return nil
	})
	return values, n, err
}

// expandRows reads a string that holds JSON as that JSON. A UUID in braces is not JSON.
func expandRows(given value.JSON) (value.JSON, *value.Fault) {
	if given.IsText() && len(given) < 50 {
		if _, odd := BareUUID(given.Text()); odd {
			return given, nil
		}
	}
	return value.Expand(given)
}

func appendValue(values []string, id string) []string {
	if id == "" {
		return values
	}
	return append(values, id)
}

// rowValue reads one value: {"value": "x"} with other keys, which are dropped, or "x" (E42). It
// returns "" for an element without a value.
func rowValue(element value.JSON) (string, *value.Fault) {
	element, f := expandRows(element)
	switch {
	case f != nil:
		return "", f
	case element.IsNull():
		return "", nil
	case element.IsObject():
		return rowObject(element)
	}
	id, ok := element.Scalar()
	if !ok || element.IsBool() {
		return "", value.Expected("an object with a value, or a string", element)
	}
	return id, checkRowValue(id)
}

// rowObject reads the value of {"value": "x"}.
func rowObject(element value.JSON) (string, *value.Fault) {
	named := element.Get("value")
	given, f := value.Only(named)
	switch {
	case f != nil:
		return "", f.At("value")
	case named == nil:
		return "", withoutValue(element)
	case given == nil || given.IsNull():
		return "", nil
	}
	id, ok := given.Scalar()
	if !ok {
		return "", value.Expected("a string", given).At("value")
	}
	if f := checkRowValue(id); f != nil {
		return "", f.At("value")
	}
	return id, nil
}

// withoutValue returns the fault of an object with keys but without a value.
func withoutValue(element value.JSON) (f *value.Fault) {
	_ = element.Fields(func(key, inner value.JSON) error {
		switch {
		case inner.IsNull() || f != nil && f.Path != "value":
		case key.Is("display") || key.Is("type") || key.Is("$ref"):
			f = value.Expected("a string", nil).At("value")
		default:
			f = value.Unknown(key.Text(), "value")
		}
		return nil
	})
	return f
}

// checkRowValue refuses a string that cannot be the value of a row.
func checkRowValue(id string) *value.Fault {
	if id == "" || isRowValue(id) {
		return nil
	}
	return &value.Fault{What: fmt.Sprintf("expected an id of at most %d bytes without control characters, got another string", maxRowValue)}
}

// isRowValue reports whether id can be the value of a row: not blank, not huge, without control
// characters, and no JSON list, object or string inside a string. Such a string means other
// members; as a value it would become a member of that name.
func isRowValue(id string) bool {
	trimmed := strings.TrimSpace(id)
	if len(id) > maxRowValue || trimmed == "" || trimmed[0] == '[' || trimmed[0] == '{' || trimmed[0] == '"' {
		_, odd := BareUUID(id) // a UUID in braces is not an object
		return odd
	}
	return !strings.ContainsFunc(id, legible.Unsafe)
}

// emitRows adds op. A run of additions or of removals becomes one operation.
func (rd *reader) emitRows(op RowOp) {
	rows := rd.change.Rows
	if n := len(rows); n > 0 && rows[n-1].Kind == op.Kind && (op.Kind == AddRows || op.Kind == RemoveRows) {
		rows[n-1].Values = append(rows[n-1].Values, op.Values...)
		return
	}
	rd.change.Rows = append(rows, op)
}

// settleRows makes the values of every operation distinct.
func (rd *reader) settleRows() {
	for i := range rd.change.Rows {
		rd.change.Rows[i].Values = distinct(rd.change.Rows[i].Values)
	}
}

// distinct drops repeated values in place and keeps the order.
func distinct(values []string) []string {
	if len(values) < 2 {
		return values
	}
	seen := make(map[string]struct{}, len(values))
	kept := values[:0]
	for _, v := range values {
		if _, again := seen[v]; !again {
			seen[v] = struct{}{}
			kept = append(kept, v)
		}
	}
	return kept
}

package patch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/elimity-com/scim/errors"
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/scim/value"
)

// maxRowValue is the longest value of a row in bytes.
const maxRowValue = 1024

// rowsPath says whether path is about the attribute kept as rows and returns what follows its name: "", "[…]…" or "….…".
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
	case verb != add && len(values) == 0 && n > 0: // not even a remove: what was to go would stay, and the answer say otherwise
		return fail(errors.ScimErrorInvalidValue, "%s: expected a value in one of the elements, got none; to take all of them away, replace with []", rd.Rows)
	case verb == replace:
		rd.emitRows(RowOp{Kind: ReplaceRows, Values: values})
	case len(values) == 0: // an empty list adds nothing and, unlike no list, removes nothing
	case verb == add:
		rd.emitRows(RowOp{Kind: AddRows, Values: values})
	default:
		rd.emitRows(RowOp{Kind: RemoveRows, Values: values})
	}
	return nil
}

// rowsByFilter reads an operation on members[…]. Only removing makes sense there: the parts of a member are immutable.
func (rd *reader) rowsByFilter(verb verb, rest string) error {
	path := rd.Rows + rest
	if handled, err := rd.partOfRow(verb, rest); handled {
		return err
	}
	if verb != remove {
		return fail(errors.ScimErrorInvalidPath, "%s: a path with a filter takes only a remove; add and replace name %s in the value", clip(withoutFilters(path)), rd.Rows)
	}
	if id, ok := valueFilter(rest); ok {
		return rd.removeByValue(path, id)
	}
	t, err := rd.locate(path)
	switch {
	case err != nil:
		return err
	case !t.located || t.sub != nil || t.match == nil:
		return fail(errors.ScimErrorInvalidPath, "%s: expected %s or %s[filter]", clip(withoutFilters(path)), rd.Rows, rd.Rows)
	}
	if ids, ok := alternatives(nil, t.match); ok {
		return rd.removeByValue(path, ids...)
	}
	if rd.matching++; rd.matching > maxMatching {
		return fail(errors.ScimErrorInvalidFilter, "%s: expected at most %d removals whose filter is more than value eq", rd.Rows, maxMatching)
	}
	rd.emitRows(RowOp{Kind: RemoveMatching, Match: t.match, attr: t.attr})
	return nil
}

// maxMatching is how many removals of a request may look at every row of the group.
const maxMatching = 20

// partOfRow reads an operation on a part of rows, such as members[value eq "x"].display. What is not kept is no loss; the others
// are immutable.
func (rd *reader) partOfRow(verb verb, rest string) (handled bool, err error) {
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 || strings.ContainsAny(rest[dot:], `]"`) {
		return false, nil
	}
	switch name := strings.ToLower(rest[dot+1:]); name {
	case "display", "displayname":
		rd.ignore(rd.Rows + rest)
		return true, nil
	case "value", "type", "$ref":
		return true, fail(errors.ScimErrorMutability, "%s.%s: is immutable", rd.Rows, name)
	}
	return false, nil
}

func (rd *reader) removeByValue(path string, ids ...string) error {
	for _, id := range ids {
		if !isRowValue(id) {
			return fail(errors.ScimErrorInvalidValue, "%s: the filter does not name a value of %s", clip(withoutFilters(path)), rd.Rows)
		}
	}
	rd.emitRows(RowOp{Kind: RemoveRows, Values: ids})
	return nil
}

// valueFilter recognises [value eq "x"], of which a request may have thousands, without the general parser.
func valueFilter(s string) (id string, ok bool) {
	const head, tail = `[value eq "`, `"]`
	if len(s) < len(head)+len(tail) || !strings.EqualFold(s[:len(head)], head) || s[len(s)-len(tail):] != tail {
		return "", false
	}
	id = s[len(head) : len(s)-len(tail)]
	return id, !strings.ContainsAny(id, `"\`)
}

// alternatives returns the values of value eq "a" or value eq "b" or …, if that is all that e says.
func alternatives(ids []string, e fp.Expression) ([]string, bool) {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		id, isString := e.CompareValue.(string)
		if e.Operator == fp.EQ && isString && strings.EqualFold(e.AttributePath.AttributeName, "value") {
			return append(ids, id), true
		}
	case *fp.LogicalExpression:
		if e.Operator == fp.OR {
			if ids, ok := alternatives(ids, e.Left); ok {
				return alternatives(ids, e.Right)
			}
		}
	}
	return nil, false
}

// saysNothing is the number of elements of null.
const saysNothing = -1

// rowValues reads the values of rows from a list of them or from a single one (E42), as JSON, as a JSON text, or wrapped in an
// object that names the rows again. n is how many elements were given, those without a value among them.
func (rd *reader) rowValues(given value.JSON) (values []string, n int, err error) {
	given, f := value.Expand(given)
	if inner, ok := value.Wrapped(rd.Rows, given); ok && f == nil {
		given, f = value.Expand(inner)
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

func appendValue(values []string, id string) []string {
	if id == "" {
		return values
	}
	return append(values, id)
}

// rowValue reads one value: {"value": "x"} with other keys, of which nothing is kept, or "x" (E42). One without a value is no
// element: "".
func rowValue(element value.JSON) (string, *value.Fault) {
	element, f := value.Expand(element)
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
	given, f := value.Only(element.Get("value"))
	switch {
	case f != nil:
		return "", f.At("value")
	case given == nil:
		return "", withoutValue(element)
	case given.IsNull():
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

// withoutValue is the fault of an object that says something and names no value.
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

// checkRowValue refuses a text that cannot be the value of a row.
func checkRowValue(id string) *value.Fault {
	if id == "" || isRowValue(id) {
		return nil
	}
	return &value.Fault{What: fmt.Sprintf("expected an id of at most %d bytes without control characters, got another string", maxRowValue)}
}

// isRowValue says whether id can be the value of a row: not blank, not huge, without control characters, and not a JSON list or
// object written as text, which would add or keep a member of that name where it should have named others.
func isRowValue(id string) bool {
	trimmed := strings.TrimSpace(id)
	if len(id) > maxRowValue || trimmed == "" || trimmed[0] == '[' || trimmed[0] == '{' {
		return false
	}
	return !strings.ContainsFunc(id, legible.Unsafe)
}

// emitRows keeps op. A run of additions or of removals becomes one operation.
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

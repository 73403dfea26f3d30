package patch

import (
	"strings"

	"github.com/elimity-com/scim/errors"
	fp "github.com/scim2/filter-parser/v2"
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
func (rd *reader) rows(verb verb, rest string, value raw) error {
	if rest != "" {
		return rd.rowsByFilter(verb, rest)
	}
	if verb != remove && value == nil {
		return fail(errors.ScimErrorInvalidValue, "%q needs a value", rd.Rows)
	}
	switch {
	case value == nil:
		rd.emitRows(RowOp{Kind: ClearRows})
		return nil
	case value.isNull() && verb == add:
		return nil
	case value.isNull():
		return fail(errors.ScimErrorInvalidValue, "null names no value of %s; to take all of them away, replace with [] or remove without a value", rd.Rows)
	}
	values, err := rd.rowValues(value)
	if err != nil {
		return err
	}
	switch {
	case verb == replace && len(values) == 0:
		rd.emitRows(RowOp{Kind: ClearRows})
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
		return fail(errors.ScimErrorInvalidPath, "the path %q takes only a remove: add and replace name %s in the value", clip(path), rd.Rows)
	}
	if id, ok := valueFilter(rest); ok {
		return rd.removeByValue(path, id)
	}
	t, err := rd.locate(path)
	switch {
	case err != nil:
		return err
	case !t.located || t.sub != nil || t.match == nil:
		return fail(errors.ScimErrorInvalidPath, "the path %q is not %s or %s[filter]", clip(path), rd.Rows, rd.Rows)
	}
	if ids, ok := alternatives(nil, t.match); ok {
		return rd.removeByValue(path, ids...)
	}
	if rd.matching++; rd.matching > maxMatching {
		return fail(errors.ScimErrorInvalidFilter, "the request has more than %d removals whose filter is more than value eq", maxMatching)
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
		return true, fail(errors.ScimErrorMutability, "%q of %s is immutable", name, rd.Rows)
	}
	return false, nil
}

func (rd *reader) removeByValue(path string, ids ...string) error {
	for _, id := range ids {
		if !isRowValue(id) {
			return fail(errors.ScimErrorInvalidValue, "the path %q does not name a value of %s", clip(path), rd.Rows)
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

// rowValues reads the values of rows from a list of them or from a single one (E42).
func (rd *reader) rowValues(value raw) ([]string, error) {
	if !value.isArray() {
		id, err := rd.rowValue(value)
		return []string{id}, err
	}
	var ids []string
	err := value.each(func(element raw) error {
		id, err := rd.rowValue(element)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// rowValue reads one value: {"value": "x"} with whatever else, of which nothing is kept, or "x" (E42).
func (rd *reader) rowValue(element raw) (string, error) {
	if element.isObject() {
		picked, err := element.pick("value")
		if err != nil {
			return "", err
		}
		element = picked[0]
	}
	if !element.isString() {
		return "", fail(errors.ScimErrorInvalidValue, "an element of %s has no value that is a string", rd.Rows)
	}
	id := element.text()
	if !isRowValue(id) {
		return "", fail(errors.ScimErrorInvalidValue, "%q is no value for %s", clip(id), rd.Rows)
	}
	return id, nil
}

// isRowValue says whether id can be the value of a row: not blank, not huge, without control characters, and not a JSON list or
// object written as text, which would add or keep a member of that name where it should have named others.
func isRowValue(id string) bool {
	trimmed := strings.TrimSpace(id)
	if len(id) > maxRowValue || trimmed == "" || trimmed[0] == '[' || trimmed[0] == '{' {
		_, odd := BareUUID(id) // a UUID in braces is no object
		return odd
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return false
		}
	}
	return true
}

// RowValues reads what a whole resource says of the rows, as it came from JSON: a list of {"value": "x"} or "x", or one of them.
// It is given only if it is neither absent nor null: a client that leaves members out must not thereby empty a group.
func (r Resource) RowValues(attrs map[string]any) (values []string, given bool, err error) {
	for key, v := range attrs {
		if r.Rows == "" || v == nil || !strings.EqualFold(key, r.Rows) {
			continue
		}
		for _, element := range listOf(v) {
			if m, ok := element.(map[string]any); ok {
				element = valueOf(m)
			}
			id, ok := element.(string)
			if !ok || !isRowValue(id) {
				return nil, true, fail(errors.ScimErrorInvalidValue, "an element of %s has no value of 1 to %d bytes", r.Rows, maxRowValue)
			}
			values = append(values, id)
		}
		return distinct(values), true, nil
	}
	return nil, false, nil
}

// valueOf is what m has under the name value, in any letter case.
func valueOf(m map[string]any) any {
	if v, ok := m["value"]; ok {
		return v
	}
	for key, v := range m {
		if strings.EqualFold(key, "value") {
			return v
		}
	}
	return nil
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

package patch

import (
	"maps"
	"strings"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// merge returns m with changes applied; a nil unassigns. It returns nil if nothing is left of m, or
// its value is not.
func merge(a filter.Attribute, m, changes map[string]any) any {
	merged := make(map[string]any, len(m)+len(changes))
	maps.Copy(merged, m)
	for name, v := range changes {
		if v == nil {
			delete(merged, name)
		} else {
			merged[name] = clone(v)
		}
	}
	_, had := m["value"]
	_, has := merged["value"]
	if len(merged) == 0 || had && !has && a.HasValue() {
		return nil
	}
	return merged
}

// mergeSingle is merge for a singular attribute. Another value in a reference such as manager also
// removes the rest of it, $ref and the name.
func mergeSingle(a filter.Attribute, cur any, changes map[string]any) any {
	m, _ := cur.(map[string]any)
	if v, given := changes["value"]; given && a.HasValue() && !same(v, m["value"]) {
		kept := map[string]any{}
		if old, had := m["value"]; had {
			kept["value"] = old
		}
		m = kept
	}
	return merge(a, m, changes)
}

// addElement adds element to list unless list has it. It merges an element with the same value and
// type into the present one.
func addElement(a filter.Attribute, list []any, element any) []any {
	for _, have := range list {
		if covers(have, element) {
			return list
		}
	}
	at := -1
	for i, have := range list {
		if sameValue(a, have, element) {
			at = i
			break
		}
	}
	if at < 0 {
		at, list = len(list), append(list, element)
	} else if given, ok := element.(map[string]any); ok {
		m, _ := list[at].(map[string]any)
		list[at] = merge(a, m, given)
	}
	if value.IsPrimary(list[at]) {
		value.DemoteOthers(list, at)
	}
	return list
}

// elementToCreate returns the element that a path such as emails[type eq "work"].value presupposes,
// from its filter and the value: Entra adds and replaces it without checking whether it exists
// (E19, E27). ok is false if the filter does not define the element. The flag primary alone creates
// no element (E20): element is nil then.
func (o Operation) elementToCreate() (element any, ok bool) {
	t := o.target
	m := map[string]any{}
	if t.attr.Type != "complex" || !describe(t.attr, t.match, m) {
		return nil, false
	}
	if t.sub != nil && t.sub.Name == "primary" {
		return nil, true
	}
	changes, ok := o.value.(map[string]any)
	if t.sub != nil {
		changes, ok = map[string]any{t.sub.Name: o.value}, true
	}
	if !ok {
		return nil, false
	}
	return merge(t.attr, m, changes), true
}

// describe collects the values of e in m, if e is a conjunction of equalities.
func describe(a filter.Attribute, e fp.Expression, m map[string]any) bool {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		return e.Operator == fp.AND && describe(a, e.Left, m) && describe(a, e.Right, m)
	case *fp.AttributeExpression:
		sub, ok := a.Sub(e.AttributePath.AttributeName)
		if !ok || e.Operator != fp.EQ || sub.MultiValued {
			return false
		}
		if word, bare := e.CompareValue.(filter.Word); bare && word.IsNull() {
			return false
		}
		literal := filter.Text(e.CompareValue)
		if sub.Type == "boolean" {
			m[sub.Name], ok = filter.Boolean(literal)
			return ok
		}
		m[sub.Name] = literal
		return sub.Type == "string"
	}
	return false
}

// namedBy reports whether a remove lists element (E38, for other attributes than members).
func namedBy(a filter.Attribute, element any, listed []any) bool {
	for _, given := range listed {
		if m, ok := given.(map[string]any); ok && m["value"] != nil {
			if sameValue(a, element, given) {
				return true
			}
		} else if selects(a, given, element) {
			return true
		}
	}
	return false
}

// selects reports whether element has all values of given, compared as in a filter.
func selects(a filter.Attribute, given, element any) bool {
	parts, ok := given.(map[string]any)
	have, isMap := element.(map[string]any)
	if !ok || !isMap {
		return same(element, given)
	}
	for name, v := range parts {
		if sub, _ := a.Sub(name); !sameText(sub, have[name], v) {
			return false
		}
	}
	return true
}

// sameValue reports whether two elements have the same value and no different types.
func sameValue(a filter.Attribute, x, y any) bool {
	mx, okx := x.(map[string]any)
	my, oky := y.(map[string]any)
	if !okx || !oky {
		return sameText(a, x, y)
	}
	if mx["value"] == nil || !sameText(filter.Attribute{}, mx["value"], my["value"]) { // most differ in any case
		return false
	}
	value, _ := a.Sub("value")
	kind, _ := a.Sub("type")
	return sameText(value, mx["value"], my["value"]) && (mx["type"] == nil || my["type"] == nil || sameText(kind, mx["type"], my["type"]))
}

// sameText compares texts by the schema, with or without regard to case.
func sameText(a filter.Attribute, x, y any) bool {
	sx, okx := x.(string)
	sy, oky := y.(string)
	if okx && oky && !a.CaseExact {
		return strings.EqualFold(sx, sy)
	}
	return same(x, y)
}

// covers reports whether have has all values of given.
func covers(have, given any) bool {
	mg, ok := given.(map[string]any)
	if !ok {
		return same(have, given)
	}
	mh, ok := have.(map[string]any)
	if !ok {
		return false
	}
	for name, v := range mg {
		if !same(mh[name], v) {
			return false
		}
	}
	return true
}

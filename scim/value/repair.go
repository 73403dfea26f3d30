package value

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// Repairs of values: forms that clients send and the RFC does not have. The letters and numbers are
// lines of the wire corpus.

// Expand reads a string that holds a JSON object or list as that object or list: SCIM for Keycloak
// sends whole values so. A string that only begins like one is an error. Any other value is
// returned as it is.
func Expand(given JSON) (JSON, *Fault) {
	for beginsJSON(given) { // twice if it was encoded twice
		inner, err := Parse([]byte(strings.TrimPrefix(given.Text(), byteOrderMark)), MaxDepth)
		if err != nil {
			return nil, fault("expected JSON in a string that begins with { or [; it %v", err)
		}
		given = inner
	}
	return given, nil
}

// byteOrderMark begins a text, as some clients on Windows write it.
const byteOrderMark = "\ufeff"

// beginsJSON reports whether given is a string that begins with { or [, possibly quoted once more.
func beginsJSON(given JSON) bool {
	if !given.IsText() {
		return false
	}
	inner := bytes.TrimLeft(given[1:len(given)-1], " ")
	if len(inner) > 0 && (inner[0] == '\\' || inner[0] == byteOrderMark[0]) { // an escape can be a space, a quote or a bracket
		text := strings.TrimLeft(strings.TrimPrefix(given.Text(), byteOrderMark), space)
		if again, quoted := strings.CutPrefix(text, `"`); quoted {
			text = again
		}
		inner = []byte(text)
	}
	return len(inner) > 0 && (inner[0] == '{' || inner[0] == '[')
}

// expand is Expand for a value of a. Entra means the string itself in roles and entitlements (E24,
// E25).
func expand(a filter.Attribute, given JSON) (JSON, *Fault) {
	if a.URN == "" && (a.Name == "roles" || a.Name == "entitlements") {
		return given, nil
	}
	return Expand(given)
}

// unwrap returns the values of a multi-valued attribute in an object, or a list of one, that names
// the attribute again: {"emails": […]}. Salesforce's documentation has it for members.
func unwrap(a filter.Attribute, given JSON) (JSON, *Fault) {
	if a.Type == "complex" {
		var f *Fault
		if given, f = expand(a, given); f != nil {
			return nil, f
		}
	}
	inner, ok := Wrapped(a.Name, given)
	if !ok {
		return given, nil
	}
	return expand(a, inner)
}

// Wrapped returns the value in an object, or a list of one, that has no key but name, in any letter
// case.
func Wrapped(name string, given JSON) (inner JSON, ok bool) {
	if given.IsList() && given.Count(2) == 1 {
		given, _ = Only(given)
	}
	if !given.IsObject() {
		return nil, false
	}
	n := 0
	_ = given.Fields(func(key, value JSON) error {
		if n++; n == 1 && key.Is(name) {
			inner = value
		}
		return nil
	})
	return inner, n == 1 && inner != nil
}

// Only returns the single value in a list, as SCIM-SDK and Entra send it: active [false], manager
// [{…}] (E21). An empty list is an unassigned value, nil; a list of two is an error.
func Only(given JSON) (JSON, *Fault) {
	if !given.IsList() {
		return given, nil
	}
	var only JSON
	n := given.Count(2)
	_ = given.Each(func(_ int, one JSON) error {
		only = one
		return errStop
	})
	if n > 1 {
		return nil, fault("expected a single value, got a list of several")
	}
	return only, nil
}

func isEmptyList(given JSON) bool { return given.IsList() && given.Count(1) == 0 }

// booleanOf reads a boolean, also from a string: Entra sends "True" and "False" (E11, E27),
// Keycloak "true" and "false" (X08).
func booleanOf(given JSON) (b, ok bool) {
	if given.IsBool() {
		return given[0] == 't', true
	}
	return given.Is("true"), given.Is("true") || given.Is("false")
}

// reference returns an object for the plain identifier that Entra sends for a manager (E22) and
// Microsoft's tests for a member (E42). An empty one is unassigned: so Entra removes a manager
// (E23).
func reference(a filter.Attribute, id JSON) (any, *Fault) {
	if id.Is("") {
		return nil, nil
	}
	sub, _ := a.Sub("value")
	v, f := scalar(sub, id)
	if v == nil || f != nil {
		return nil, f
	}
	return map[string]any{"value": v}, nil
}

// lastPrimary leaves only the last primary element of a list primary: mappings and templates of
// administrators can mark several, and RFC 7643 section 2.4 allows one.
func lastPrimary(list []any) {
	for i := len(list) - 1; i >= 0; i-- {
		if IsPrimary(list[i]) {
			DemoteOthers(list, i)
			return
		}
	}
}

// IsPrimary reports whether an element is marked primary.
func IsPrimary(element any) bool {
	m, ok := element.(map[string]any)
	return ok && m["primary"] == true
}

// DemoteOthers clears primary on every element except the one at keep: only one can be (RFC 7644
// section 3.5.2).
func DemoteOthers(list []any, keep int) {
	for i, element := range list {
		if m, ok := element.(map[string]any); ok && i != keep && IsPrimary(m) {
			m = maps.Clone(m)
			m["primary"] = false
			list[i] = m
		}
	}
}

// withoutTwins keeps one of several elements of the same type and value (RFC 7643 section 2.4), the
// first; it is primary if one of them is.
func withoutTwins(list []any) []any {
	if len(list) < 2 {
		return list
	}
	type pair struct{ kind, value string }
	seen := map[pair]map[string]any{}
	return slices.DeleteFunc(list, func(v any) bool {
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		kind, isText := m["type"].(string)
		value, hasValue := m["value"].(string)
		if !hasValue || m["type"] != nil && !isText {
			return false
		}
		p := pair{strings.ToLower(kind), value}
		first := seen[p]
		if first == nil {
			seen[p] = m
			return false
		}
		if IsPrimary(m) {
			first["primary"] = true
		}
		return true
	})
}

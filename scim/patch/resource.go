package patch

import (
	"slices"
	"strings"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// RepairResource mends, in place, what clients are known to send in the body of a POST or PUT, before the library validates it.
// It comes after Unflatten. What it cannot make sense of it leaves for the library to refuse.
func RepairResource(attrs map[string]any, s filter.Schema) {
	dropNulls(attrs)
	for _, ext := range s.Extensions {
		repairExtension(attrs, s, ext.ID)
	}
	repairAttributes(attrs, s, s.Core.ID)
	repairSchemas(attrs, s)
}

// Unflatten puts attributes that are named by their full URN where they belong: "urn:…:User:department" below the URN, and those of
// the core schema, also those in an object below its URN, at the top. PATCH knows the forms, the first of them from Entra (E17). An
// attribute that is there in two forms is an error, as a key that is given twice.
func Unflatten(attrs map[string]any, s filter.Schema) error {
	for key, v := range attrs {
		if nested, ok := v.(map[string]any); ok && strings.EqualFold(key, s.Core.ID) {
			delete(attrs, key)
			if err := put(attrs, nested); err != nil {
				return err
			}
			break
		}
	}
	if err := put(attrs, takeFlat(attrs, s.Core.ID)); err != nil {
		return err
	}
	for _, ext := range s.Extensions {
		flat := takeFlat(attrs, ext.ID)
		if len(flat) == 0 {
			continue
		}
		inner := map[string]any{}
		for key, v := range attrs {
			if !strings.EqualFold(key, ext.ID) {
				continue
			}
			if nested, ok := v.(map[string]any); ok {
				inner = nested
			} else if v != nil {
				return fail(errors.ScimErrorInvalidSyntax, "the value of %q is no object", ext.ID)
			}
			delete(attrs, key)
		}
		attrs[ext.ID] = inner
		if err := put(inner, flat); err != nil {
			return err
		}
	}
	return nil
}

// takeFlat takes the attributes out of attrs that begin with urn, and returns them without it.
func takeFlat(attrs map[string]any, urn string) map[string]any {
	flat := map[string]any{}
	for key, v := range attrs {
		if name, ok := below(key, urn); ok {
			flat[name] = v
			delete(attrs, key)
		}
	}
	return flat
}

// put adds attributes to those that are there.
func put(to, attributes map[string]any) error {
	if len(attributes) == 0 {
		return nil
	}
	there := make(map[string]bool, len(to)+len(attributes))
	for name := range to {
		there[FoldKey(name)] = true
	}
	for name, v := range attributes {
		if there[FoldKey(name)] {
			return GivenTwice(name)
		}
		there[FoldKey(name)] = true
		to[name] = v
	}
	return nil
}

func below(key, urn string) (name string, ok bool) {
	if len(key) <= len(urn)+1 || key[len(urn)] != ':' || !strings.EqualFold(key[:len(urn)], urn) {
		return "", false
	}
	return key[len(urn)+1:], true
}

// dropNulls takes away what is null, at any depth: Entra's documentation creates a user with addresses, title and others null
// (E10), which the library refuses for required attributes and elements of lists.
func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if inner = dropNulls(inner); inner == nil {
				delete(v, key)
			} else {
				v[key] = inner
			}
		}
	case []any:
		return slices.DeleteFunc(v, func(inner any) bool { return dropNulls(inner) == nil })
	}
	return v
}

// repairExtension repairs the attributes of an extension and spells its URN as the schema does: RFC 7644, section 3.10 compares
// it without regard to case, the library does not.
func repairExtension(attrs map[string]any, s filter.Schema, urn string) {
	for key, v := range attrs {
		if inner, ok := v.(map[string]any); ok && strings.EqualFold(key, urn) {
			repairAttributes(inner, s, urn)
			delete(attrs, key)
			attrs[urn] = inner
			return
		}
	}
}

// repairAttributes repairs every attribute that the schema urn knows.
func repairAttributes(attrs map[string]any, s filter.Schema, urn string) {
	for key, v := range attrs {
		a, known := s.Find(urn, key)
		switch {
		case !known:
		case dropsPassword(a):
			delete(attrs, key)
		default:
			if v = repairValue(a, v); v == nil {
				delete(attrs, key)
			} else {
				attrs[key] = v
			}
		}
	}
}

// dropsPassword says whether a is the password: Okta sends a random one with every create (O04), and none is ever kept.
func dropsPassword(a filter.Attribute) bool { return a.Mutability == "writeOnly" }

// repairValue applies the repairs that PATCH knows, too: see repair.go.
func repairValue(a filter.Attribute, v any) any {
	if !a.MultiValued {
		return repairSingle(a, singleIfComplex(a, v))
	}
	list := []any{}
	for _, element := range listOf(v) {
		if element = repairSingle(a, element); element != nil {
			list = append(list, element)
		}
	}
	lastPrimary(list)
	return withoutTwins(list)
}

// withoutTwins keeps one of several elements of the same type and value (RFC 7643, section 2.4), the first; it is primary if one of
// them is.
func withoutTwins(list []any) []any {
	type pair struct{ kind, value any }
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
		if isPrimary(m) {
			first["primary"] = true
		}
		return true
	})
}

func singleIfComplex(a filter.Attribute, v any) any {
	if a.Type == "complex" {
		return singleOf(v)
	}
	return v
}

func repairSingle(a filter.Attribute, v any) any {
	switch a.Type {
	case "boolean":
		if b, ok := booleanOf(v); ok {
			return b
		}
	case "complex":
		v = referenceOf(a, v)
		if m, ok := v.(map[string]any); ok {
			return repairObject(a, m)
		}
	}
	return v
}

// repairObject repairs the sub-attributes. A value that is "" is none, and nothing is left without it (E23).
func repairObject(a filter.Attribute, m map[string]any) any {
	for key, v := range m {
		sub, known := a.Sub(key)
		if !known {
			continue
		}
		if sub.Name == "value" && v == "" {
			return nil
		}
		m[key] = repairValue(sub, v)
	}
	return m
}

// repairSchemas makes the list of schemas what it must be: OneLogin's names other than the IETF's (X02), Entra's misspells an
// extension (E10) or names one of Microsoft's own (E33). The core schema and the extensions that occur remain.
func repairSchemas(attrs map[string]any, s filter.Schema) {
	named := map[string]bool{}
	for key, v := range attrs {
		if !strings.EqualFold(key, "schemas") {
			continue
		}
		for _, urn := range listOf(v) {
			if urn, ok := urn.(string); ok {
				named[strings.ToLower(urn)] = true
			}
		}
		delete(attrs, key)
	}
	schemas := []any{s.Core.ID}
	for _, ext := range s.Extensions {
		if _, used := attrs[ext.ID]; used || named[strings.ToLower(ext.ID)] {
			schemas = append(schemas, ext.ID)
		}
	}
	attrs["schemas"] = schemas
}

package patch

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// maxElements is how many values of an attribute other than the rows a request may give, and operations on them count as one each:
// adding compares each with each.
const maxElements = 500

// normalize brings what a client gives for t into canonical form: the types and the spelling of the schema, lists where the
// schema has lists, nil for what is empty. Sub-attributes that the schema does not know, or that are read-only, are dropped.
func (rd *reader) normalize(t target, given any) (any, error) {
	a := t.attribute()
	if t.match != nil && t.sub == nil {
		a.MultiValued = false // one element
	}
	if given == nil {
		return nil, nil
	}
	if !a.MultiValued {
		if a.Type == "complex" {
			given = singleOf(given)
		}
		return rd.single(a, given)
	}
	list := make([]any, 0, 1)
	if n := len(listOf(given)); n > maxElements {
		return nil, fail(errors.ScimErrorInvalidValue, "%q has %d values, more than %d", t, n, maxElements)
	}
	for _, element := range listOf(given) {
		v, err := rd.single(a, element)
		if err != nil {
			return nil, err
		}
		if m, ok := v.(map[string]any); ok {
			v = withoutNulls(m)
		}
		if v != nil {
			list = append(list, v)
		}
	}
	lastPrimary(list)
	return withoutTwins(list), nil
}

// single normalizes one value.
func (rd *reader) single(a filter.Attribute, given any) (any, error) {
	if given == nil {
		return nil, nil
	}
	switch a.Type {
	case "complex":
		return rd.object(a, given)
	case "boolean":
		if b, ok := booleanOf(given); ok {
			return b, nil
		}
	case "integer":
		if n, ok := given.(json.Number); ok {
			if i, err := n.Int64(); err == nil {
				return i, nil
			}
		}
	case "decimal":
		if n, ok := given.(json.Number); ok {
			if f, err := n.Float64(); err == nil {
				return f, nil
			}
		}
	default:
		s, ok := given.(string)
		if ok && s == "" {
			return nil, nil // E29
		}
		if ok && wellFormed(a.Type, s) {
			return s, nil
		}
	}
	return nil, fail(errors.ScimErrorInvalidValue, "the value of %q is no %s", a.Name, a.Type)
}

// object normalizes the value of a complex attribute. A null among its sub-attributes stays, to unassign that one, but without
// the sub-attribute value, where the schema has one, nothing is left of it.
func (rd *reader) object(a filter.Attribute, given any) (any, error) {
	given = referenceOf(a, given)
	from, ok := given.(map[string]any)
	if !ok {
		if given == nil {
			return nil, nil
		}
		return nil, fail(errors.ScimErrorInvalidValue, "the value of %q is no object", a.Name)
	}
	to := make(map[string]any, len(from))
	for key, v := range from {
		sub, known := a.Sub(key)
		if !known {
			rd.ignore(a.Name + "." + key)
			continue
		}
		if sub.Mutability == "readOnly" {
			continue
		}
		v, err := rd.normalize(target{attr: sub}, v)
		if err != nil {
			return nil, err
		}
		to[sub.Name] = v
	}
	if v, given := to["value"]; given && v == nil {
		return nil, nil
	}
	return to, nil
}

// wellFormed checks strings whose type gives them a form.
func wellFormed(typ, s string) bool {
	switch typ {
	case "dateTime":
		for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			if _, err := time.Parse(layout, s); err == nil {
				return true
			}
		}
		return false
	case "binary":
		_, err := base64.StdEncoding.DecodeString(s)
		return err == nil
	}
	return true
}

// withoutNulls drops unassigned sub-attributes; nil if no other is left.
func withoutNulls(m map[string]any) any {
	for k, v := range m {
		if v == nil {
			delete(m, k)
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

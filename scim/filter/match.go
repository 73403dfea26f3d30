package filter

import (
	"iter"
	"slices"

	fp "github.com/scim2/filter-parser/v2"
)

// Validate reports whether every attribute of e exists and can be compared as e compares it. The
// error is an *[Error].
func (s Schema) Validate(e fp.Expression) error { return scope{schema: s}.validate(e) }

// Validate is [Schema.Validate] for the filter within attr[...].
func (a Attribute) Validate(e fp.Expression) error { return scope{element: &a}.validate(e) }

// Match reports whether resource satisfies e. It looks for attributes of an extension under its
// URN. An attribute with very many values may be an iter.Seq[any], which Match reads up to the
// value that decides. The error is an *[Error]. It comes only from a term that decides:
// [Schema.Validate], called once before, finds the errors of all terms.
func Match(e fp.Expression, resource map[string]any, s Schema) (bool, error) {
	return scope{schema: s}.match(e, resource)
}

// Match reports whether element, one value of a, satisfies e, the filter within attr[...].
func (a Attribute) Match(e fp.Expression, element any) (bool, error) {
	return scope{element: &a}.match(e, element)
}

func (sc scope) validate(e fp.Expression) error {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		if err := sc.validate(e.Left); err != nil {
			return err
		}
		return sc.validate(e.Right)
	case *fp.NotExpression:
		return sc.validate(e.Expression)
	case *fp.ValuePath:
		attr, err := sc.bracketed(e)
		if err != nil {
			return err
		}
		return attr.Validate(e.ValueFilter)
	case *fp.AttributeExpression:
		_, err := sc.comparison(e)
		return err
	}
	return errorf("the filter has an expression that is not supported")
}

func (sc scope) match(e fp.Expression, from any) (bool, error) {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		left, err := sc.match(e.Left, from)
		if err != nil || left == (e.Operator == fp.OR) {
			return left, err
		}
		return sc.match(e.Right, from)
	case *fp.NotExpression:
		inner, err := sc.match(e.Expression, from)
		return !inner && err == nil, err
	case *fp.ValuePath:
		return sc.matchElements(e, from)
	case *fp.AttributeExpression:
		cmp, err := sc.comparison(e)
		if err != nil {
			return false, err
		}
		return cmp.holds(from), nil
	}
	return false, errorf("the filter has an expression that is not supported")
}

// matchElements reports whether any one element satisfies the whole filter in the brackets.
func (sc scope) matchElements(e *fp.ValuePath, from any) (bool, error) {
	attr, err := sc.bracketed(e)
	if err != nil {
		return false, err
	}
	for element := range each(member(from, attr)) {
		ok, err := attr.Match(e.ValueFilter, element)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// bracketed resolves the attribute of attr[...].
func (sc scope) bracketed(e *fp.ValuePath) (Attribute, error) {
	attr, sub, err := sc.attribute(e.AttributePath)
	switch {
	case err != nil:
		return attr, err
	case sub != nil || sc.element != nil || attr.Type != typeComplex && !attr.MultiValued:
		return attr, errorf("%q has no elements to choose from", Clip(pathOf(e.AttributePath)))
	}
	return attr, nil
}

// member returns the value of attr in from, a resource or an element; nil if it is absent.
func member(from any, attr Attribute) any {
	if attr.elsewhere {
		return nil
	}
	m, ok := from.(map[string]any)
	if !ok {
		if attr.Type != typeComplex && !attr.MultiValued {
			return from // an element of a simple attribute, asked for its value
		}
		return nil
	}
	if attr.URN != "" {
		if m, ok = m[attr.URN].(map[string]any); !ok {
			return nil
		}
	}
	return m[attr.Name]
}

// each lists the values of v: of an iter.Seq[any], or of a list.
func each(v any) iter.Seq[any] {
	if values, ok := v.(iter.Seq[any]); ok {
		return values
	}
	return slices.Values(Elements(v))
}

// Elements returns v as a list: a list as it is, nothing for nil, any other value alone.
func Elements(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	}
	return []any{v}
}

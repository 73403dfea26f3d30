package patch

import (
	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// Apply applies ops in order to attrs, the attributes of a resource as decoded from JSON, with
// extensions nested under their URN. It applies all or none: after an error, an errors.ScimError by
// value, attrs is unchanged. Apply replaces values of attrs and never modifies them, so they may be
// shared. changed reports whether attrs differs now.
func Apply(attrs map[string]any, ops []Operation, _ Resource) (changed bool, err error) {
	d := draft{from: attrs, to: make(map[string]any, len(ops))}
	for _, op := range ops {
		if err := d.apply(op); err != nil {
			return false, at(op.place, err)
		}
	}
	return d.commit(), nil
}

func (d *draft) apply(op Operation) error {
	if op.target.whole {
		d.to[op.target.attr.URN] = nil
		return nil
	}
	next, err := op.change(d.get(op.target.attr))
	if err != nil {
		return err
	}
	d.set(op.target.attr, next)
	return nil
}

// change returns the new value of the target's attribute, whose value is cur; nil if it is
// unassigned. It may modify cur.
func (o Operation) change(cur any) (any, error) {
	t := o.target
	switch {
	case !t.attr.MultiValued && t.sub == nil:
		return o.changeSingle(cur), nil
	case !t.attr.MultiValued:
		return mergeSingle(t.attr, cur, map[string]any{t.sub.Name: o.value}), nil
	}
	list, err := filter.Elements(cur), error(nil)
	switch {
	case t.match != nil:
		list, err = o.changeMatching(list)
	case t.sub != nil:
		list, err = o.changeEach(list)
	default:
		list = o.changeList(list)
	}
	if len(list) == 0 {
		return nil, err
	}
	return list, err
}

// changeSingle replaces the value of a singular attribute, or merges into it if it is complex.
func (o Operation) changeSingle(cur any) any {
	if given, ok := o.value.(map[string]any); ok {
		return mergeSingle(o.target.attr, cur, given)
	}
	return o.value
}

// changeList changes a multi-valued attribute as a whole.
func (o Operation) changeList(list []any) []any {
	given := filter.Elements(o.value)
	switch {
	case o.verb == add:
		for _, element := range given {
			list = addElement(o.target.attr, list, clone(element))
		}
		return list
	case o.verb == replace:
		return filter.Elements(clone(given))
	case o.value == nil:
		return nil
	}
	kept := list[:0]
	for _, element := range list {
		if !namedBy(o.target.attr, element, given) {
			kept = append(kept, element)
		}
	}
	return kept
}

// changeMatching changes the elements that the filter of the path selects, or creates one.
func (o Operation) changeMatching(list []any) ([]any, error) {
	t := o.target
	next := make([]any, 0, len(list)+1)
	found, primary := false, -1
	for _, element := range list {
		selected, err := t.attr.Match(t.match, element)
		if err != nil {
			return nil, fail(errors.ScimErrorInvalidPath, "%s: the filter cannot be answered: %v", t.attr.Name, err)
		}
		if selected {
			found = true
			if element = o.changeElement(element); element == nil {
				continue
			}
		}
		if next = append(next, element); selected && value.IsPrimary(element) {
			primary = len(next) - 1
		}
	}
	if primary >= 0 {
		value.DemoteOthers(next, primary)
	}
	if found || o.verb == remove || o.value == nil {
		return next, nil
	}
	element, ok := o.elementToCreate()
	if !ok {
		return nil, fail(errors.ScimErrorNoTarget, "%s: no element satisfies the filter of the path", t.attr.Name)
	}
	if element != nil {
		next = addElement(t.attr, next, element)
	}
	return next, nil
}

// changeEach changes a sub-attribute of a multi-valued attribute without a filter: it removes it
// from all elements, and sets it only if there is one element.
func (o Operation) changeEach(list []any) ([]any, error) {
	if o.value != nil && len(list) == 0 {
		return []any{map[string]any{o.target.sub.Name: o.value}}, nil
	}
	if o.value != nil && len(list) > 1 {
		return nil, fail(errors.ScimErrorNoTarget, "%s: has several elements; the path needs a filter", o.target.attr.Name)
	}
	kept := list[:0]
	for _, element := range list {
		if element = o.changeElement(element); element != nil {
			kept = append(kept, element)
		}
	}
	return kept, nil
}

// changeElement changes one element. It returns nil if nothing is left of it.
func (o Operation) changeElement(element any) any {
	given := o.value
	if o.target.sub != nil {
		given = map[string]any{o.target.sub.Name: o.value}
	}
	if given == nil {
		return nil
	}
	changes, ok := given.(map[string]any)
	if !ok {
		return given // of a simple attribute
	}
	m, _ := element.(map[string]any)
	return merge(o.target.attr, m, changes)
}

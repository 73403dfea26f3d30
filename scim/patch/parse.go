package patch

import (
	"strings"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// maxIgnored limits the list of ignored attributes.
const maxIgnored = 32

// reader reads a request as a Change.
type reader struct {
	Resource
	change   Change
	place    int // of the operation in the request
	values   value.Reader
	creating bool            // of a new resource, where rows have nothing to replace
	matching int             // removals that compare every row
	known    int             // how many keys of a path-less value the schema knows
	unknown  string          // a key that it does not know
	named    bool            // the value of a path-less operation has named the rows
	given    map[string]bool // the attributes that the value of a path-less operation has named
	looked   map[string]int  // comparisons with all values of a multi-valued attribute, by its path
}

func newReader(r Resource) *reader {
	rd := &reader{Resource: r}
	rd.values.Ignored = rd.ignore
	return rd
}

// Parse reads the body of a PATCH request, repairs what clients are known to send and validates
// every operation. Either all operations are valid or there is an error, an errors.ScimError by
// value. It needs none of the resource's present values.
//
// The schemas of the body are not checked: the request is a PATCH by its method. Unknown attributes
// of a user are ignored and reported. An unknown attribute of a group is an error.
func Parse(body value.JSON, r Resource) (Change, error) {
	operations, err := operationsOf(body)
	if err != nil {
		return Change{}, err
	}
	if operations.Count(maxOperations+1) > maxOperations { // an empty list is valid (E28)
		return Change{}, tooMany()
	}
	rd := newReader(r)
	err = operations.Each(func(i int, operation value.JSON) error {
		rd.place = i
		return at(i, rd.operation(operation))
	})
	if err != nil {
		return Change{}, err
	}
	rd.settleRows()
	return rd.change, nil
}

// operationsOf finds the list of operations in a body.
func operationsOf(body value.JSON) (value.JSON, error) {
	if !body.IsObject() {
		return nil, fail(errors.ScimErrorInvalidSyntax, "the body is not a JSON object")
	}
	operations := body.Get("Operations")
	if !operations.IsList() {
		return nil, fail(errors.ScimErrorInvalidSyntax, "Operations: expected a list, got %s", operations.Kind())
	}
	return operations, nil
}

// operation reads one operation.
func (rd *reader) operation(operation value.JSON) error {
	if !operation.IsObject() {
		return fail(errors.ScimErrorInvalidSyntax, "expected an object, got %s", operation.Kind())
	}
	picked := operation.Pick("op", "path", "value")
	verb, err := readVerb(picked[0])
	if err != nil {
		return err
	}
	where, err := readPath(picked[1])
	if err != nil {
		return err
	}
	given := picked[2]
	if where == "" || strings.EqualFold(where, rd.Schema.Core.ID) {
		rd.named, rd.given, rd.known, rd.unknown = false, nil, 0, ""
		if err := rd.pathless(verb, given); err != nil {
			return err
		}
		if rd.Rows != "" && rd.known == 0 && rd.unknown != "" { // perhaps members, without their path
			return wrong("value", value.Unknown(rd.unknown, rd.settableNames()...))
		}
		return nil
	}
	return rd.byPath(verb, where, given)
}

func readPath(path value.JSON) (string, error) {
	switch {
	case path == nil || nullPath(path):
		return "", nil
	case !path.IsText():
		return "", fail(errors.ScimErrorInvalidPath, "path: expected a string, got %s", path.Kind())
	}
	return strings.TrimSpace(path.Text()), nil
}

// byPath reads an operation with a path.
func (rd *reader) byPath(verb verb, path string, given value.JSON) error {
	path = rd.withoutCoreURN(path)
	if rest, ok := rd.rowsPath(path); ok {
		return rd.rows(verb, rest, given)
	}
	t, err := rd.locate(path)
	if err != nil {
		return err
	}
	switch {
	case !t.located:
		return rd.unknownPath(path)
	case writeOnly(t):
		return nil
	case t.attr.Mutability == "readOnly" || t.sub != nil && t.sub.Mutability == "readOnly":
		return fail(errors.ScimErrorMutability, "%s: is read-only", t)
	case verb != add && t.attribute().Mutability == "immutable":
		return fail(errors.ScimErrorMutability, "%s: is immutable", t)
	}
	if verb != remove && given == nil {
		return fail(errors.ScimErrorInvalidValue, "%s: expected a value, got nothing", t)
	}
	if verb == remove && given != nil && (t.whole || !takesList(t) && t.attribute().Type == "complex") {
		if err := rd.checkUnused(t, given); err != nil {
			return err
		}
	}
	if t.whole && verb != remove {
		return rd.extension(verb, t.attr.URN, given)
	}
	return rd.attribute(verb, t, given)
}

// checkUnused reads the value of a remove that removes all of t. A value that cannot be read is an
// error: the client means to remove something else.
func (rd *reader) checkUnused(t target, given value.JSON) error {
	scratch := newReader(rd.Resource)
	if t.whole {
		return scratch.extension(replace, t.attr.URN, given)
	}
	return scratch.attribute(replace, t, given)
}

// pathless reads an operation whose value is an object of attributes, perhaps as a JSON text or
// alone in a list.
func (rd *reader) pathless(verb verb, given value.JSON) error {
	if verb == remove {
		return fail(errors.ScimErrorNoTarget, "path: a remove needs one")
	}
	given, f := unwrapped(given)
	switch {
	case f != nil:
		return wrong("value", f)
	case !given.IsObject():
		return wrong("value", value.Expected("an object of attributes where there is no path", given))
	}
	return given.Fields(func(key, inner value.JSON) error {
		rd.known++
		return rd.byKey(verb, key.Text(), inner)
	})
}

// unwrapped returns an object that is a JSON text, alone in a list, or both.
func unwrapped(given value.JSON) (value.JSON, *value.Fault) {
	given, f := value.Expand(given)
	if f == nil {
		given, f = value.Only(given)
	}
	if f == nil {
		given, f = value.Expand(given)
	}
	return given, f
}

// byKey reads one key of a path-less value: an attribute, a path (E17), or an extension with its
// attributes below it.
func (rd *reader) byKey(verb verb, key string, given value.JSON) error {
	path := rd.withoutCoreURN(strings.TrimSpace(key))
	if rest, ok := rd.rowsPath(path); ok {
		if rd.named { // a second spelling of the key, perhaps with an empty list
			return givenTwice(path)
		}
		rd.named = true
		if given.IsNull() { // no statement, as in a whole resource with null members
			return nil
		}
		return rd.rows(verb, rest, given)
	}
	if strings.EqualFold(path, rd.Schema.Core.ID) {
		return rd.pathless(verb, given)
	}
	t, err := rd.locate(path)
	switch {
	case err != nil && rd.hasFilter(path):
		return err
	case err != nil || !t.located:
		return rd.unknownKey(path)
	case ignorableInValue(t):
		return nil
	case t.whole:
		return rd.extension(verb, t.attr.URN, given)
	}
	if err := rd.once(t); err != nil {
		return err
	}
	return rd.attribute(verb, t, given)
}

// once refuses a path-less value that gives an attribute twice, flat and below its URN: either may
// be meant.
func (rd *reader) once(t target) error {
	if t.match != nil {
		return nil
	}
	if rd.given == nil {
		rd.given = map[string]bool{}
	}
	path := t.String()
	if rd.given[path] {
		return givenTwice(path)
	}
	rd.given[path] = true
	return nil
}

// extension reads the attributes of an extension from an object. Null unassigns them all.
func (rd *reader) extension(verb verb, urn string, given value.JSON) error {
	given, f := unwrapped(given)
	switch {
	case f != nil:
		return wrong(urn, f)
	case given == nil || given.IsNull() || given.Is("") || string(given) == "{}":
		if verb == replace {
			return rd.emit(Operation{verb: remove, target: target{attr: filter.Attribute{URN: urn}, whole: true}})
		}
		return nil
	case !given.IsObject():
		return wrong(urn, value.Expected("an object", given))
	}
	known, unknown := 0, ""
	err := given.Fields(func(key, inner value.JSON) error {
		if t, err := rd.locate(urn + ":" + key.Text()); err == nil && t.located {
			known++
		} else if !inner.IsNull() {
			unknown = key.Text()
		}
		return rd.byKey(verb, urn+":"+key.Text(), inner)
	})
	if err == nil && known == 0 && unknown != "" {
		return fail(errors.ScimErrorInvalidValue, "%s:%s: no such attribute, and the value has no other", urn, filter.Clip(unknown))
	}
	return err
}

// attribute validates an operation on an attribute of the schema and adds it.
func (rd *reader) attribute(verb verb, t target, given value.JSON) error {
	if given == nil || verb == remove && (!takesList(t) || given.IsNull()) { // a remove takes a value only to name elements
		return rd.unassign(verb, t)
	}
	a := t.attribute()
	if t.match != nil && t.sub == nil {
		a.MultiValued = false // one element
	}
	v, err := rd.values.Read(a, given)
	switch {
	case err != nil:
		return wrong(t.String(), err)
	case v != nil:
		return rd.emit(Operation{verb: verb, target: t, value: v})
	case verb == remove: // a value without elements removes none
		return nil
	}
	return rd.unassign(verb, t)
}

// takesList reports whether t is a multi-valued attribute as a whole.
func takesList(t target) bool { return t.attr.MultiValued && t.sub == nil && t.match == nil }

// unassign adds an operation that leaves t without a value. Adding nothing to a list, or to its
// elements, is no operation.
func (rd *reader) unassign(verb verb, t target) error {
	switch {
	case verb == add && t.attr.MultiValued && t.sub == nil:
		return nil
	case verb == remove && required(t):
		return fail(errors.ScimErrorMutability, "%s: is required and cannot be removed", t)
	case required(t):
		return fail(errors.ScimErrorInvalidValue, "%s: is required and cannot be empty", t)
	case keepsActive(t):
		rd.ignore(t.String())
		return nil
	}
	return rd.emit(Operation{verb: verb, target: t})
}

func required(t target) bool {
	return t.attr.Required && t.match == nil && (t.sub == nil || t.sub.Required)
}

// emit adds op. Every given value of a multi-valued attribute, and every filter, is compared with
// all present values.
func (rd *reader) emit(op Operation) error {
	if a := op.target.attr; a.MultiValued {
		if rd.looked == nil {
			rd.looked = map[string]int{}
		}
		path := target{attr: a}.String()
		if rd.looked[path] += max(1, len(filter.Elements(op.value))); rd.looked[path] > value.MaxElements {
			return fail(errors.ScimErrorInvalidValue, "%s: expected at most %d values and operations in a request", path, value.MaxElements)
		}
	}
	op.place = rd.place
	rd.change.Attributes = append(rd.change.Attributes, op)
	return nil
}

// ignore records an attribute without effect.
func (rd *reader) ignore(path string) {
	if len(rd.change.Ignored) < maxIgnored {
		rd.change.Ignored = append(rd.change.Ignored, filter.Clip(path))
	}
}

// ignorableInValue reports whether a path-less value may hold the attribute without effect:
// read-only attributes, since Okta and authentik also send id and schemas (O14, X06), and
// passwords.
func ignorableInValue(t target) bool {
	return t.attr.Mutability == "readOnly" || t.sub != nil && t.sub.Mutability == "readOnly" || writeOnly(t)
}

// writeOnly reports whether t is the password: accepted, since Okta sends it (O09), and never
// stored.
func writeOnly(t target) bool { return t.attr.Mutability == "writeOnly" }

// keepsActive reports whether t is the flag that revokes access and restores it. Without a value it
// does not change: an omission activates no user.
func keepsActive(t target) bool { return t.attr.Name == "active" && t.attr.URN == "" }

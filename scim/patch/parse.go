package patch

import (
	"strings"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// maxIgnored bounds the list of ignored attributes.
const maxIgnored = 32

const messageURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// reader turns a request into a Change.
type reader struct {
	Resource
	change   Change
	matching int            // removals that look at every row
	named    bool           // the value of a path-less operation has named the rows
	looked   map[string]int // how often operations look through a multi-valued attribute, by its path
}

// Parse reads the body of a PATCH request, repairs what clients are known to send and validates every operation. Either all
// operations are valid or there is an error, an errors.ScimError by value. It needs none of the resource's present values.
//
// Attributes that the schema does not know are ignored and reported. What cannot be understood about the rows never is: it is
// an error.
func Parse(body []byte, r Resource) (Change, error) {
	message, err := parseJSON(body)
	if err != nil {
		return Change{}, err
	}
	operations, err := operationsOf(message)
	if err != nil {
		return Change{}, err
	}
	limit := r.MaxOperations
	if limit == 0 {
		limit = DefaultMaxOperations
	}
	if err := checkCount(operations, limit); err != nil {
		return Change{}, err
	}
	rd := reader{Resource: r}
	n := 0
	err = operations.each(func(operation raw) error {
		n++
		return at(n, rd.operation(operation))
	})
	if err != nil {
		return Change{}, err
	}
	rd.settleRows()
	return rd.change, nil
}

// operationsOf finds the array of operations in a message.
func operationsOf(message raw) (raw, error) {
	if !message.isObject() {
		return nil, fail(errors.ScimErrorInvalidSyntax, "the body is not a JSON object")
	}
	picked, err := message.pick("schemas", "Operations")
	if err != nil {
		return nil, err
	}
	schemas, operations := picked[0], picked[1]
	if !operations.isArray() {
		return nil, fail(errors.ScimErrorInvalidSyntax, "the body has no array Operations")
	}
	return operations, checkMessage(schemas)
}

// checkMessage refuses a message that says it is something else than a PATCH. One that does not say what it is passes.
func checkMessage(schemas raw) error {
	if schemas == nil || schemas.isNull() {
		return nil
	}
	found := false
	if schemas.isArray() {
		_ = schemas.each(func(urn raw) error {
			found = found || urn.is(messageURN)
			return nil
		})
	}
	if !found {
		return fail(errors.ScimErrorInvalidSyntax, "the schemas of the body do not name %s", messageURN)
	}
	return nil
}

// checkCount counts before anything is read. No operations at all are fine (E28).
func checkCount(operations raw, limit int) error {
	n := 0
	return operations.each(func(raw) error {
		if n++; n > limit {
			return tooMany(limit)
		}
		return nil
	})
}

// operation reads one operation.
func (rd *reader) operation(operation raw) error {
	if !operation.isObject() {
		return fail(errors.ScimErrorInvalidSyntax, "it is not a JSON object")
	}
	picked, err := operation.pick("op", "path", "value")
	if err != nil {
		return err
	}
	verb, err := readVerb(picked[0])
	if err != nil {
		return err
	}
	where, err := readPath(picked[1])
	if err != nil {
		return err
	}
	value := picked[2]
	if where == "" || strings.EqualFold(where, rd.Schema.Core.ID) {
		rd.named = false
		return rd.pathless(verb, value)
	}
	return rd.byPath(verb, where, value)
}

func readPath(path raw) (string, error) {
	switch {
	case path == nil || nullPath(path):
		return "", nil
	case !path.isString():
		return "", fail(errors.ScimErrorInvalidPath, "the path is not a string")
	}
	return strings.TrimSpace(path.text()), nil
}

// byPath reads an operation that says with a path what it changes.
func (rd *reader) byPath(verb verb, path string, value raw) error {
	path = rd.withoutCoreURN(path)
	if rest, ok := rd.rowsPath(path); ok {
		return rd.rows(verb, rest, value)
	}
	t, err := rd.locate(path)
	if err != nil {
		return err
	}
	switch {
	case !t.located:
		rd.ignore(path)
		return nil
	case writeOnly(t):
		return nil
	case t.attr.Mutability == "readOnly" || t.sub != nil && t.sub.Mutability == "readOnly":
		return fail(errors.ScimErrorMutability, "%q is read-only", t)
	case verb != add && t.attribute().Mutability == "immutable":
		return fail(errors.ScimErrorMutability, "%q is immutable", t)
	}
	if verb != remove && value == nil {
		return fail(errors.ScimErrorInvalidValue, "%q needs a value", t)
	}
	if t.whole && verb != remove {
		return rd.extension(verb, t.attr.URN, value)
	}
	return rd.attribute(verb, t, value)
}

// pathless reads an operation whose value is an object of attributes.
func (rd *reader) pathless(verb verb, value raw) error {
	switch {
	case verb == remove:
		return fail(errors.ScimErrorNoTarget, "a remove needs a path")
	case !value.isObject():
		return fail(errors.ScimErrorInvalidValue, "without a path the value must be an object")
	}
	return value.distinct(func(key string, value raw) error {
		return rd.byKey(verb, key, value)
	})
}

// byKey reads one key of a path-less value: an attribute, a path (E17), or an extension with its attributes below it.
func (rd *reader) byKey(verb verb, key string, value raw) error {
	path := rd.withoutCoreURN(strings.TrimSpace(key))
	if rest, ok := rd.rowsPath(path); ok {
		if rd.named { // a second spelling of the key, perhaps with an empty list
			return GivenTwice(path)
		}
		rd.named = true
		if value.isNull() { // says nothing about them, as when a whole resource has them null
			return nil
		}
		return rd.rows(verb, rest, value)
	}
	if strings.EqualFold(path, rd.Schema.Core.ID) {
		return rd.pathless(verb, value)
	}
	t, err := rd.locate(path)
	switch {
	case err != nil && rd.hasFilter(path):
		return err
	case err != nil || !t.located:
		rd.ignore(path)
		return nil
	case ignorableInValue(t):
		return nil
	case t.whole:
		return rd.extension(verb, t.attr.URN, value)
	}
	return rd.attribute(verb, t, value)
}

// extension reads the attributes of an extension from an object. Null unassigns them all.
func (rd *reader) extension(verb verb, urn string, value raw) error {
	if value.isNull() {
		if verb == replace {
			return rd.emit(Operation{verb: remove, target: target{attr: filter.Attribute{URN: urn}, whole: true}})
		}
		return nil
	}
	if !value.isObject() {
		return fail(errors.ScimErrorInvalidValue, "the value of an extension must be an object")
	}
	return value.distinct(func(key string, value raw) error {
		return rd.byKey(verb, urn+":"+key, value)
	})
}

// attribute validates an operation on an attribute of the schema and keeps it.
func (rd *reader) attribute(verb verb, t target, value raw) error {
	var given any
	if value != nil && !(verb == remove && !takesList(t)) { // a remove takes a value only to name elements
		decoded, err := value.value()
		if err != nil {
			return err
		}
		if given, err = rd.normalize(t, decoded); err != nil {
			return err
		}
	}
	if list, ok := given.([]any); ok && len(list) == 0 {
		if verb != replace {
			return nil // an empty list adds nothing and, unlike no list, removes nothing
		}
		given = nil
	}
	if given != nil {
		return rd.emit(Operation{verb: verb, target: t, value: given})
	}
	return rd.unassign(verb, t)
}

// takesList says whether t is a multi-valued attribute as a whole.
func takesList(t target) bool { return t.attr.MultiValued && t.sub == nil && t.match == nil }

// unassign keeps an operation that leaves t without a value. Adding nothing to a list, or to its elements, is none.
func (rd *reader) unassign(verb verb, t target) error {
	switch {
	case verb == add && t.attr.MultiValued && t.sub == nil:
		return nil
	case verb == remove && required(t):
		return fail(errors.ScimErrorMutability, "%q is required and cannot be removed", t)
	case required(t):
		return fail(errors.ScimErrorInvalidValue, "%q is required and cannot be empty", t)
	case keepsActive(t):
		rd.ignore(t.String())
		return nil
	}
	return rd.emit(Operation{verb: verb, target: t})
}

func required(t target) bool {
	return t.attr.Required && t.match == nil && (t.sub == nil || t.sub.Required)
}

// emit keeps op. Every value that it gives for a multi-valued attribute, and every filter, is held against all the values that there are.
func (rd *reader) emit(op Operation) error {
	if a := op.target.attr; a.MultiValued {
		if rd.looked == nil {
			rd.looked = map[string]int{}
		}
		path := target{attr: a}.String()
		if rd.looked[path] += max(1, len(elements(op.value))); rd.looked[path] > maxElements {
			return fail(errors.ScimErrorInvalidValue, "the request has more than %d values and operations for %q", maxElements, path)
		}
	}
	rd.change.Attributes = append(rd.change.Attributes, op)
	return nil
}

// ignore notes what has no effect.
func (rd *reader) ignore(path string) {
	if len(rd.change.Ignored) < maxIgnored {
		rd.change.Ignored = append(rd.change.Ignored, clip(path))
	}
}

// ignorableInValue says whether a path-less value may carry the attribute without effect: what is read-only, which is how Okta
// and authentik come to send id and schemas along (O14, X06), and passwords.
func ignorableInValue(t target) bool {
	return t.attr.Mutability == "readOnly" || t.sub != nil && t.sub.Mutability == "readOnly" || writeOnly(t)
}

// writeOnly says whether t is the password: accepted, since Okta sends it (O09), and kept nowhere.
func writeOnly(t target) bool { return t.attr.Mutability == "writeOnly" }

// keepsActive says whether t is the flag that takes access away and gives it back. Without a value it stays as it is: nobody is
// activated by leaving something out.
func keepsActive(t target) bool { return t.attr.Name == "active" && t.attr.URN == "" }

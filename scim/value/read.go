package value

import (
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// MaxElements is how many values of one attribute a request may have: adding compares each with
// each.
const MaxElements = 500

// Reader reads values by the schema. The zero value works.
type Reader struct {
	// Ignored records a name without effect: an unknown sub-attribute next to known ones. It may be
	// nil.
	Ignored func(path string)
}

// Read returns the value of a in canonical form: the types and the spelling of the schema, a []any
// for a list, a map[string]any for a complex value, nil for an unassigned one (null, "", [], {}). A
// number or boolean becomes a string as it was written if the schema has a string. A nil in a map
// unassigns that sub-attribute: a PATCH merges. The error is a *[Fault].
func (r *Reader) Read(a filter.Attribute, given JSON) (any, error) {
	var v any
	var f *Fault
	if a.MultiValued {
		v, f = r.list(a, given)
	} else {
		v, f = r.single(a, given)
	}
	if f != nil {
		return nil, f
	}
	return v, nil
}

// list reads the values of a multi-valued attribute. A single value is a list of one.
func (r *Reader) list(a filter.Attribute, given JSON) (any, *Fault) {
	given, f := unwrap(a, given)
	if f != nil {
		return nil, f
	}
	if !given.IsList() {
		v, f := r.element(a, given)
		if v == nil || f != nil {
			return nil, f
		}
		return []any{v}, nil
	}
	if given.Count(MaxElements+1) > MaxElements {
		return nil, fault("expected at most %d values", MaxElements)
	}
	list := []any{}
	err := given.Each(func(i int, one JSON) error {
		v, f := r.element(a, one)
		if f != nil {
			return f.At("[" + strconv.Itoa(i) + "]")
		}
		if v != nil {
			list = append(list, v)
		}
		return nil
	})
	if f := (*Fault)(nil); errors.As(err, &f) {
		return nil, f
	}
	if len(list) == 0 {
		return nil, nil
	}
	lastPrimary(list)
	return withoutTwins(list), nil
}

// element reads one value of a list; nil if it is unassigned.
func (r *Reader) element(a filter.Attribute, given JSON) (any, *Fault) {
	if a.Type != "complex" {
		return scalar(a, given)
	}
	given, f := expand(a, given)
	if f != nil {
		return nil, f
	}
	v, f := r.object(a, given)
	if m, ok := v.(map[string]any); ok {
		return withoutNulls(m), f
	}
	return v, f
}

// single reads the value of a single-valued attribute.
func (r *Reader) single(a filter.Attribute, given JSON) (any, *Fault) {
	if a.Type != "complex" {
		given, f := Only(given)
		if given == nil || f != nil {
			return nil, f
		}
		return scalar(a, given)
	}
	given, f := expand(a, given)
	if f == nil {
		given, f = Only(given)
	}
	if given == nil || f != nil {
		return nil, f
	}
	if given, f = expand(a, given); f != nil { // a string in the list of one
		return nil, f
	}
	return r.object(a, given)
}

// object reads a complex value. Without the sub-attribute value, where the schema has one, it is
// unassigned: so a client clears an element (K11, E23).
func (r *Reader) object(a filter.Attribute, given JSON) (any, *Fault) {
	if s, ok := given.Scalar(); ok && (s == "" || a.HasValue() && !given.IsBool()) {
		return reference(a, given)
	}
	switch {
	case given.IsNull():
		return nil, nil
	case !given.IsObject():
		return nil, Expected("an object", given)
	}
	o := object{reader: r, attr: a, to: map[string]any{}}
	if f := o.read(given); f != nil {
		return nil, f
	}
	if v, given := o.to["value"]; len(o.to) == 0 && !o.readOnly || given && v == nil {
		return nil, nil
	}
	return o.to, nil
}

// object is a complex value being read.
type object struct {
	reader   *Reader
	attr     filter.Attribute
	to       map[string]any
	known    bool   // a part was given that identifies the value
	readOnly bool   // a part was given that a client cannot set: it clears nothing
	unknown  string // an unknown key with a value
}

func (o *object) read(given JSON) *Fault {
	err := given.Fields(func(key, value JSON) error {
		if f := o.field(key.Text(), value); f != nil {
			return f
		}
		return nil
	})
	if f := (*Fault)(nil); errors.As(err, &f) {
		return f
	}
	v, named := o.to["value"]
	if o.unknown != "" && (!o.known || named && v == nil) { // also next to an empty value
		return Unknown(o.unknown, o.attr.SubNames()...)
	}
	return nil
}

func (o *object) field(key string, value JSON) *Fault {
	sub, ok := o.attr.Sub(key)
	switch {
	case !ok && (value.IsNull() || isEmptyList(value)): // unassigned (RFC 7643 section 2.5), so absent
		return nil
	case !ok:
		if o.unknown = key; key == "" {
			o.unknown = `""`
		}
		if o.reader.Ignored != nil {
			o.reader.Ignored(o.attr.Name + "." + key)
		}
		return nil
	case sub.Mutability == "readOnly":
		o.readOnly = o.readOnly || !value.IsNull() && !value.Is("")
		return nil
	}
	v, err := o.reader.Read(sub, value)
	if f := (*Fault)(nil); errors.As(err, &f) {
		return f.At(sub.Name)
	}
	o.to[sub.Name] = v
	o.known = o.known || sub.Name != "type" && sub.Name != "primary" && sub.Name != "display" // which only label a value
	return nil
}

// scalar reads a value that is not complex; nil if it is unassigned.
func scalar(a filter.Attribute, given JSON) (any, *Fault) {
	if given.IsNull() {
		return nil, nil
	}
	switch a.Type {
	case "boolean":
		if b, ok := booleanOf(given); ok {
			return b, nil
		}
	case "integer":
		if i, err := strconv.ParseInt(string(given), 10, 64); err == nil {
			return i, nil
		}
	case "decimal":
		if given.isNumber() {
			if f, err := strconv.ParseFloat(string(given), 64); err == nil {
				return f, nil
			}
		}
	default:
		return textOf(a, given)
	}
	return nil, wrongType(a, given)
}

// textOf reads a string. A number or boolean is stored as it was written (K8), unless the type has
// a form of its own.
func textOf(a filter.Attribute, given JSON) (any, *Fault) {
	formed := a.Type == "dateTime" || a.Type == "binary"
	s, ok := given.Scalar()
	switch {
	case ok && given.IsText() && s == "": // E29
		return nil, nil
	case !ok || formed && !given.IsText():
		return nil, wrongType(a, given)
	case formed && !wellFormed(a.Type, s):
		return nil, fault("expected %s, got another string", typeNames[a.Type])
	}
	return s, nil
}

// typeNames are the types of values that are not complex, in an error.
var typeNames = map[string]string{
	"string": "a string", "reference": "a string", "boolean": "true or false", "integer": "a whole number", "decimal": "a number",
	"dateTime": "a date and time such as 2026-11-30T12:00:00Z", "binary": "base64",
}

func wrongType(a filter.Attribute, given JSON) *Fault {
	if given.IsText() { // for a boolean or a number: its text is the client's
		return fault("expected %s, got another string", typeNames[a.Type])
	}
	return Expected(typeNames[a.Type], given)
}

// wellFormed checks a string whose type has a form of its own.
func wellFormed(typ, s string) bool {
	if typ == "binary" {
		_, err := base64.StdEncoding.DecodeString(s)
		return err == nil
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// withoutNulls drops unassigned sub-attributes. It returns nil if none is left.
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

package filter

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// maxKey is how many bytes of a value count in an order. Resources with the same bytes are in the
// order of their ids.
const maxKey = 256

// Ordering is an attribute by which resources are sorted (RFC 7644, section 3.4.2.3).
type Ordering struct {
	attr Attribute
	sub  *Attribute
}

// Ordering reads a sortBy. A complex attribute stands for its sub-attribute value, if it has one.
func (s Schema) Ordering(path string) (Ordering, error) {
	parsed, err := ParsePath(path)
	if err != nil {
		return Ordering{}, errorf("sortBy cannot be read: %v", err)
	}
	if parsed.ValueExpression != nil || parsed.SubAttribute != nil {
		return Ordering{}, errorf("sortBy takes no filter")
	}
	attr, sub, err := scope{schema: s}.attribute(parsed.AttributePath)
	if err != nil {
		return Ordering{}, errorf("sortBy: %v", err)
	}
	if sub == nil && attr.Type == typeComplex {
		value, ok := attr.Sub("value")
		if !ok {
			return Ordering{}, errorf("sortBy: %q is complex: name one of its sub-attributes", Clip(path))
		}
		sub = &value
	}
	return Ordering{attr, sub}, nil
}

// Path returns the path to sort by, as the schema spells it, in lower case.
func (o Ordering) Path() string {
	p := o.attr.Name
	if o.attr.URN != "" {
		p = o.attr.URN + ":" + p
	}
	if o.sub != nil {
		p += "." + o.sub.Name
	}
	return strings.ToLower(p)
}

// Key returns the value of a resource in a form whose bytes are in order, by the type and caseExact
// of the attribute. ok is false for a resource without a value. Of several values it takes the
// primary one, or else the first.
func (o Ordering) Key(resource map[string]any) (key string, ok bool) {
	list := Elements(member(resource, o.attr))
	if len(list) == 0 {
		return "", false
	}
	v := list[0]
	for _, e := range list {
		if m, is := e.(map[string]any); is && m["primary"] == true {
			v = e
			break
		}
	}
	target := o.attr
	if o.sub != nil {
		target = *o.sub
		m, is := v.(map[string]any)
		if !is {
			return "", false
		}
		v = m[o.sub.Name]
	}
	if !present(v) {
		return "", false
	}
	key = target.key(v)
	return key[:min(len(key), maxKey)], true
}

func (a Attribute) key(v any) string {
	switch a.Type {
	case typeBoolean:
		if b, ok := Boolean(v); ok && b {
			return "1"
		}
		return "0"
	case typeDecimal, typeInteger:
		if f, ok := numeric(v); ok {
			return floatKey(f)
		}
	case typeDateTime:
		if t, ok := instant(v); ok {
			return t.UTC().Format("2006-01-02T15:04:05.000000000") + time.UTC.String()
		}
	}
	return a.folded(text(v))
}

// floatKey returns f as eight bytes in order.
func floatKey(f float64) string {
	bits := math.Float64bits(f)
	if f < 0 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return string(binary.BigEndian.AppendUint64(nil, bits))
}

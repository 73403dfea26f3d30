package filter

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	fp "github.com/scim2/filter-parser/v2"
)

// comparison is one "attr op literal", checked against the schema.
type comparison struct {
	attr Attribute
	sub  *Attribute // the part of attr to compare, nil for attr itself
	op   fp.CompareOperator
	null bool // the literal is null without quotes, for eq or ne: no value, or the text want
	want any  // string, bool, float64 or time.Time, by the type of what is compared; nil for pr, and for null where there is no text
}

// comparison checks e. A complex attribute stands for its sub-attribute value (E06, E07).
func (sc scope) comparison(e *fp.AttributeExpression) (comparison, error) {
	attr, sub, err := sc.attribute(e.AttributePath)
	if err != nil {
		return comparison{}, err
	}
	c := comparison{attr: attr, sub: sub, op: e.Operator}
	if c.op == fp.PR {
		return c, nil
	}
	target := attr
	if sub != nil {
		target = *sub
	}
	literal := Text(e.CompareValue)
	if word, bare := e.CompareValue.(Word); bare && word.IsNull() {
		switch {
		case equality(c.op):
			if c.null = true; target.textual() {
				c.want = literal
			}
			return c, nil
		case !substring(c.op) || !target.textual():
			return c, errorf("%q cannot be compared with null by %s", Clip(pathOf(e.AttributePath)), c.op)
		}
	}
	if target.Type == typeComplex {
		value, ok := target.Sub("value")
		if !ok {
			return c, errorf("%q is complex: name one of its sub-attributes", Clip(pathOf(e.AttributePath)))
		}
		c.sub, target = &value, value
	}
	var ok bool
	if c.want, ok = operand(target.Type, e.Operator, literal); !ok {
		return c, errorf("%q is a %s: it cannot be compared with this value by %s", Clip(pathOf(e.AttributePath)), target.Type, c.op)
	}
	return c, nil
}

func equality(op fp.CompareOperator) bool  { return op == fp.EQ || op == fp.NE }
func substring(op fp.CompareOperator) bool { return op == fp.CO || op == fp.SW || op == fp.EW }

// operand converts the literal of a filter for a comparison by op with an attribute of type typ, if
// the two go together.
func operand(typ string, op fp.CompareOperator, literal string) (any, bool) {
	switch typ {
	case typeBoolean:
		b, ok := Boolean(literal)
		return b, ok && equality(op)
	case typeDecimal, typeInteger:
		f, ok := numeric(literal)
		return f, ok && !substring(op)
	case typeDateTime:
		if substring(op) {
			return literal, true
		}
		t, ok := instant(literal)
		return t, ok
	case typeBinary:
		return literal, equality(op) || substring(op)
	}
	return literal, true
}

// holds evaluates the comparison. One of several values is enough. An absent value is unequal to
// every literal, equal to null, and meets nothing else.
func (c comparison) holds(from any) bool {
	v := member(from, c.attr)
	if c.op == fp.PR {
		return c.any(v, present)
	}
	if c.op == fp.EQ && c.null || c.op == fp.NE && !c.null {
		if !c.any(v, present) {
			return true
		}
	}
	return (c.want != nil || c.op == fp.NE) && c.any(v, c.satisfied)
}

// any reports whether f holds for one of the compared values.
func (c comparison) any(v any, f func(any) bool) bool {
	for element := range each(v) {
		if c.sub != nil {
			if m, ok := element.(map[string]any); ok {
				element = m[c.sub.Name]
			}
		}
		for _, one := range Elements(element) {
			if f(one) {
				return true
			}
		}
	}
	return false
}

// present evaluates pr: a value is neither null nor empty nor made of such parts alone.
func present(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case map[string]any:
		for _, inner := range v {
			if present(inner) {
				return true
			}
		}
		return false
	case []any:
		for _, inner := range v {
			if present(inner) {
				return true
			}
		}
		return false
	}
	return true
}

// satisfied reports whether one value meets the comparison.
func (c comparison) satisfied(have any) bool {
	if c.null && !present(have) {
		return false
	}
	switch want := c.want.(type) {
	case nil: // ne null
		return true
	case bool:
		b, ok := Boolean(have)
		return ok && ordered(c.op, boolOrder(b, want))
	case float64:
		f, ok := numeric(have)
		return ok && ordered(c.op, cmp.Compare(f, want))
	case time.Time:
		t, ok := instant(have)
		return ok && ordered(c.op, t.Compare(want))
	case string:
		s, ok := have.(string)
		if !ok {
			if have == nil {
				return false
			}
			s = text(have)
		}
		return c.strings(s, want)
	}
	return false
}

func (c comparison) strings(have, want string) bool {
	attr := c.attr
	if c.sub != nil {
		attr = *c.sub
	}
	have, want = attr.folded(have), attr.folded(want)
	switch c.op {
	case fp.CO:
		return strings.Contains(have, want)
	case fp.SW:
		return strings.HasPrefix(have, want)
	case fp.EW:
		return strings.HasSuffix(have, want)
	}
	return ordered(c.op, strings.Compare(have, want))
}

// ordered returns the result of op for the order of two values.
func ordered(op fp.CompareOperator, order int) bool {
	switch op {
	case fp.EQ:
		return order == 0
	case fp.NE:
		return order != 0
	case fp.GT:
		return order > 0
	case fp.GE:
		return order >= 0
	case fp.LT:
		return order < 0
	case fp.LE:
		return order <= 0
	}
	return false
}

func boolOrder(a, b bool) int {
	if a == b {
		return 0
	}
	return 1 // only eq and ne reach booleans
}

// Boolean reads a boolean; Entra writes it as the string "True" or "False" (E11, E27).
func Boolean(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		return strings.EqualFold(v, "true"), strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	}
	return false, false
}

func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string:
		if !json.Valid([]byte(v)) { // Inf, NaN and 0x10 are no numbers
			return 0, false
		}
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

// instant reads a dateTime, with or without a time zone.
func instant(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// text returns a value as a string.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case json.Number:
		return v.String()
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

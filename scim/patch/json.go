package patch

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/elimity-com/scim/errors"
)

// maxJSONDepth is how deep a body may nest.
const maxJSONDepth = 64

// raw is one JSON value, known to be valid and without space around it. encoding/json takes the last of two equal keys and
// ignores letter case; in a request that takes access away an ambiguity is an error instead, so the keys are read here.
type raw []byte

// parseJSON checks that body is one JSON value and does not nest too deep.
func parseJSON(body []byte) (raw, error) {
	if nestsDeeper(body, maxJSONDepth) {
		return nil, fail(errors.ScimErrorInvalidSyntax, "the body nests deeper than %d levels", maxJSONDepth)
	}
	if !json.Valid(body) {
		return nil, fail(errors.ScimErrorInvalidSyntax, "the body is not valid JSON")
	}
	return raw(bytes.TrimSpace(body)), nil
}

// nestsDeeper says whether body, which need not be valid, has more than limit brackets open at once.
func nestsDeeper(body []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func (r raw) isNull() bool   { return len(r) > 0 && r[0] == 'n' }
func (r raw) isString() bool { return len(r) > 0 && r[0] == '"' }
func (r raw) isArray() bool  { return len(r) > 0 && r[0] == '[' }
func (r raw) isObject() bool { return len(r) > 0 && r[0] == '{' }

// text decodes a string. Escaped quotes, which every path with a filter has, are decoded here, other escapes by encoding/json.
func (r raw) text() string {
	inner := r[1 : len(r)-1]
	if !utf8.Valid(inner) {
		return r.decode()
	}
	i := bytes.IndexByte(inner, '\\')
	if i < 0 {
		return string(inner)
	}
	var b strings.Builder
	b.Grow(len(inner))
	for ; i >= 0; i = bytes.IndexByte(inner, '\\') {
		if inner[i+1] != '"' {
			return r.decode()
		}
		b.Write(inner[:i])
		b.WriteByte('"')
		inner = inner[i+2:]
	}
	b.Write(inner)
	return b.String()
}

func (r raw) decode() (s string) {
	_ = json.Unmarshal(r, &s) // r is a valid string
	return s
}

// is says whether r is the string s, without regard to case.
func (r raw) is(s string) bool {
	if !r.isString() {
		return false
	}
	if bytes.IndexByte(r, '\\') < 0 {
		return strings.EqualFold(string(r[1:len(r)-1]), s) // costs no allocation
	}
	return strings.EqualFold(r.decode(), s)
}

// each calls f with every element of an array until f returns an error.
func (r raw) each(f func(element raw) error) error {
	i := skipSpace(r, 1)
	for r[i] != ']' {
		end := skipValue(r, i)
		if err := f(r[i:end]); err != nil {
			return err
		}
		if i = skipSpace(r, end); r[i] == ',' {
			i = skipSpace(r, i+1)
		}
	}
	return nil
}

// fields calls f with every key of an object and its value, in their order, until f returns an error. It does not look for keys
// that occur twice.
func (r raw) fields(f func(key, value raw) error) error {
	i := skipSpace(r, 1)
	for r[i] != '}' {
		end := skipValue(r, i)
		key := r[i:end]
		i = skipSpace(r, skipSpace(r, end)+1) // the colon
		end = skipValue(r, i)
		if err := f(key, r[i:end]); err != nil {
			return err
		}
		if i = skipSpace(r, end); r[i] == ',' {
			i = skipSpace(r, i+1)
		}
	}
	return nil
}

// distinct is fields for an object whose keys must differ in more than letter case.
func (r raw) distinct(f func(key string, value raw) error) error {
	var few [8]string
	seen := few[:0]
	var many map[string]bool
	return r.fields(func(name, value raw) error {
		key := name.text()
		if many == nil && len(seen) < cap(few[:]) {
			for _, s := range seen {
				if strings.EqualFold(s, key) {
					return GivenTwice(key)
				}
			}
			seen = append(seen, key)
			return f(key, value)
		}
		if many == nil {
			many = make(map[string]bool)
			for _, s := range seen {
				many[FoldKey(s)] = true
			}
		}
		if many[FoldKey(key)] {
			return GivenTwice(key)
		}
		many[FoldKey(key)] = true
		return f(key, value)
	})
}

// GivenTwice refuses a request with a key that an object has twice.
func GivenTwice(key string) error {
	return fail(errors.ScimErrorInvalidSyntax, "%q is given twice", clip(key))
}

// FoldKey makes keys the same that strings.EqualFold calls equal, and with it the library and encoding/json, and no others: the long s
// (U+017F) is an s and the Kelvin sign a k, but a capital I with a dot is no i, as strings.ToLower has it.
func FoldKey(key string) string { return strings.Map(FoldLetter, key) }

// FoldLetter is the least of the letters that differ from r in letter case alone (simple case folding).
func FoldLetter(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

// pick returns the values of up to three keys of an object, compared without regard to case; nil for one that is absent.
func (r raw) pick(names ...string) (picked [3]raw, err error) {
	err = r.fields(func(key, value raw) error {
		for i, name := range names {
			if key.is(name) {
				if picked[i] != nil {
					return GivenTwice(name)
				}
				picked[i] = value
			}
		}
		return nil
	})
	return picked, err
}

// value decodes r into string, bool, nil, json.Number, []any and map[string]any.
func (r raw) value() (any, error) {
	switch r[0] {
	case '"':
		return r.text(), nil
	case 't', 'f':
		return r[0] == 't', nil
	case 'n':
		return nil, nil
	case '[':
		list := []any{}
		err := r.each(func(element raw) error {
			v, err := element.value()
			list = append(list, v)
			return err
		})
		return list, err
	case '{':
		object := map[string]any{}
		err := r.distinct(func(key string, value raw) error {
			v, err := value.value()
			object[key] = v
			return err
		})
		return object, err
	}
	return json.Number(r), nil
}

func skipSpace(r raw, i int) int {
	for r[i] == ' ' || r[i] == '\n' || r[i] == '\t' || r[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns where the value that starts at i ends.
func skipValue(r raw, i int) int {
	switch r[i] {
	case '"':
		return skipString(r, i)
	case '{', '[':
		depth := 0
		for {
			switch r[i] {
			case '"':
				i = skipString(r, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(r) && bytes.IndexByte([]byte(" \n\t\r,]}:"), r[i]) < 0 {
		i++
	}
	return i
}

func skipString(r raw, i int) int {
	for i++; r[i] != '"'; i++ {
		if r[i] == '\\' {
			i++
		}
	}
	return i + 1
}

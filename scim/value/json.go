package value

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
)

// MaxDepth is how deep the JSON of a request may nest.
const MaxDepth = 64

// JSON is one JSON value without space around it that [Parse] has checked: valid, UTF-8, no key
// twice in an object. It shares the bytes that it was parsed from. The methods of a list, an object
// or a text may only be called where it is one.
type JSON []byte

// An absent value, nil, is of no type.

// IsNull reports whether v is null.
func (v JSON) IsNull() bool { return len(v) > 0 && v[0] == 'n' }

// IsText reports whether v is a string.
func (v JSON) IsText() bool { return len(v) > 0 && v[0] == '"' }

// IsList reports whether v is a list.
func (v JSON) IsList() bool { return len(v) > 0 && v[0] == '[' }

// IsObject reports whether v is an object.
func (v JSON) IsObject() bool { return len(v) > 0 && v[0] == '{' }

// IsBool reports whether v is a boolean.
func (v JSON) IsBool() bool { return len(v) > 0 && (v[0] == 't' || v[0] == 'f') }

func (v JSON) isNumber() bool {
	return len(v) > 0 && (v[0] == '-' || '0' <= v[0] && v[0] <= '9')
}

// Kind names the type of a value for an error: "a string", "an object", "nothing".
func (v JSON) Kind() string {
	switch {
	case len(v) == 0:
		return "nothing"
	case v.IsNull():
		return "null"
	case v.IsText():
		return "a string"
	case v.IsList():
		return "a list"
	case v.IsObject():
		return "an object"
	case v.IsBool():
		return "a boolean"
	}
	return "a number"
}

// Text returns the decoded string. It decodes escaped quotes itself, which every path with a filter
// has; encoding/json decodes other escapes.
func (v JSON) Text() string {
	inner := v[1 : len(v)-1]
	i := bytes.IndexByte(inner, '\\')
	if i < 0 {
		return string(inner)
	}
	var b strings.Builder
	b.Grow(len(inner))
	for ; i >= 0; i = bytes.IndexByte(inner, '\\') {
		if inner[i+1] != '"' {
			return v.decodeText()
		}
		b.Write(inner[:i])
		b.WriteByte('"')
		inner = inner[i+2:]
	}
	b.Write(inner)
	return b.String()
}

func (v JSON) decodeText() (s string) {
	_ = json.Unmarshal(v, &s) // v is a valid string
	return s
}

// Scalar returns a string, or a number or boolean as it was written; ok is false for any other
// value.
func (v JSON) Scalar() (s string, ok bool) {
	switch {
	case v.IsText():
		return v.Text(), true
	case v.isNumber(), v.IsBool():
		return string(v), true
	}
	return "", false
}

// Is reports whether v is the string s, without regard to letter case.
func (v JSON) Is(s string) bool {
	if !v.IsText() {
		return false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return strings.EqualFold(string(v[1:len(v)-1]), s) // no allocation
	}
	return strings.EqualFold(v.decodeText(), s)
}

// Each calls f with every element of a list and its index until f returns an error.
func (v JSON) Each(f func(i int, element JSON) error) error {
	at := skipSpace(v, 1)
	for n := 0; v[at] != ']'; n++ {
		end := skipValue(v, at)
		if err := f(n, v[at:end]); err != nil {
			return err
		}
		if at = skipSpace(v, end); v[at] == ',' {
			at = skipSpace(v, at+1)
		}
	}
	return nil
}

// Count returns the number of elements of a list. It counts no further than most.
func (v JSON) Count(most int) (n int) {
	_ = v.Each(func(i int, _ JSON) error {
		if n = i + 1; n >= most {
			return errStop
		}
		return nil
	})
	return n
}

// Fields calls f with every key of an object, a string, and its value, in their order, until f
// returns an error.
func (v JSON) Fields(f func(key, value JSON) error) error {
	at := skipSpace(v, 1)
	for v[at] != '}' {
		end := skipValue(v, at)
		key := v[at:end]
		at = skipSpace(v, skipSpace(v, end)+1) // the colon
		end = skipValue(v, at)
		if err := f(key, v[at:end]); err != nil {
			return err
		}
		if at = skipSpace(v, end); v[at] == ',' {
			at = skipSpace(v, at+1)
		}
	}
	return nil
}

// Get returns the value of a key of an object, compared without regard to letter case; nil if it is
// absent.
func (v JSON) Get(name string) JSON { return v.Pick(name)[0] }

// Pick returns the values of up to five keys of an object, as Get does.
func (v JSON) Pick(names ...string) (picked [5]JSON) {
	_ = v.Fields(func(key, value JSON) error {
		for i, name := range names {
			if key.Is(name) {
				picked[i] = value
			}
		}
		return nil
	})
	return picked
}

func skipSpace(v JSON, i int) int {
	for v[i] == ' ' || v[i] == '\n' || v[i] == '\t' || v[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns where the value that starts at i ends.
func skipValue(v JSON, i int) int {
	switch v[i] {
	case '"':
		return skipText(v, i)
	case '{', '[':
		depth := 0
		for {
			switch v[i] {
			case '"':
				i = skipText(v, i)
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
	for i < len(v) && bytes.IndexByte([]byte(" \n\t\r,]}:"), v[i]) < 0 {
		i++
	}
	return i
}

func skipText(v JSON, i int) int {
	for i++; v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// foldKey maps two keys to the same exactly if strings.EqualFold calls them equal, as the library
// and encoding/json do. The long s (U+017F) is an s and the Kelvin sign a k. A capital I with a dot
// is no i, unlike in strings.ToLower.
func foldKey(key string) string { return strings.Map(FoldLetter, key) }

// FoldLetter returns the least of the letters that differ from r in letter case alone (simple case
// folding).
func FoldLetter(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

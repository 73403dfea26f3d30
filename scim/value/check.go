package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What Parse says of a text that it refuses.
var (
	errNotUTF8  = errors.New("is not UTF-8")
	errNotValid = errors.New("is not valid JSON, or something follows the JSON value")
	errTooDeep  = errors.New("nests too deeply")
	errStop     = errors.New("stop") // ends a walk early
)

// checker is a recursive descent over the grammar of RFC 8259. Its depth is bounded by levels.
type checker struct {
	in     []byte
	pos    int
	levels int      // how many more may open
	keys   [][]byte // of all objects that are open
}

// document checks that in is one value and nothing else.
func (c *checker) document() error {
	if err := c.value(); err != nil {
		return err
	}
	if c.pos != len(c.in) {
		return errNotValid
	}
	return nil
}

func (c *checker) value() error {
	switch c.peek() {
	case '{':
		return c.nested(c.object)
	case '[':
		return c.nested(c.list)
	case '"':
		return c.text()
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	}
	return c.number()
}

func (c *checker) nested(inner func() error) error {
	if c.levels--; c.levels < 0 {
		return errTooDeep
	}
	c.pos++
	err := inner()
	c.levels++
	return err
}

// object checks the members behind an opening brace.
func (c *checker) object() error {
	first := len(c.keys)
	if c.next() == '}' {
		c.pos++
		return nil
	}
	for {
		if c.next() != '"' {
			return errNotValid
		}
		start := c.pos
		if err := c.text(); err != nil {
			return err
		}
		c.keys = append(c.keys, keyOf(c.in[start:c.pos]))
		if c.next() != ':' {
			return errNotValid
		}
		c.pos++
		c.skipSpace()
		if err := c.value(); err != nil {
			return err
		}
		more, err := c.separator('}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if key, twice := anyTwice(c.keys[first:]); twice {
		return Twice(key)
	}
	c.keys = c.keys[:first]
	return nil
}

// list checks the elements behind an opening bracket.
func (c *checker) list() error {
	if c.next() == ']' {
		c.pos++
		return nil
	}
	for {
		c.skipSpace()
		if err := c.value(); err != nil {
			return err
		}
		if more, err := c.separator(']'); !more || err != nil {
			return err
		}
	}
}

// separator reads a comma, or the bracket that closes.
func (c *checker) separator(closing byte) (more bool, err error) {
	switch c.next() {
	case ',':
		c.pos++
		return true, nil
	case closing:
		c.pos++
		return false, nil
	}
	return false, errNotValid
}

// text checks a string: no control characters, and only the escapes that JSON has.
func (c *checker) text() error {
	for i := c.pos + 1; i < len(c.in); i++ {
		switch b := c.in[i]; {
		case b == '"':
			c.pos = i + 1
			return nil
		case b < 0x20:
			return errNotValid
		case b == '\\':
			n := escapeLength(c.in[i+1:])
			if n == 0 {
				return errNotValid
			}
			i += n
		}
	}
	return errNotValid
}

// escapeLength returns the length of an escape without its backslash; 0 if it is none.
func escapeLength(s []byte) int {
	switch {
	case len(s) == 0:
		return 0
	case bytes.IndexByte([]byte(`"\/bfnrt`), s[0]) >= 0:
		return 1
	case s[0] != 'u' || len(s) < 5:
		return 0
	}
	for _, b := range s[1:5] {
		if !isDigit(b) && (b|0x20 < 'a' || b|0x20 > 'f') {
			return 0
		}
	}
	return 5
}

// number = ["-"] int ["." digits] [("e" / "E") ["+" / "-"] digits]
func (c *checker) number() error {
	if c.peek() == '-' {
		c.pos++
	}
	if c.peek() == '0' {
		c.pos++
	} else if !c.digits() {
		return errNotValid
	}
	if c.peek() == '.' {
		if c.pos++; !c.digits() {
			return errNotValid
		}
	}
	if c.peek()|0x20 == 'e' {
		if c.pos++; c.peek() == '+' || c.peek() == '-' {
			c.pos++
		}
		if !c.digits() {
			return errNotValid
		}
	}
	return nil
}

// digits skips digits and says whether there were any.
func (c *checker) digits() bool {
	start := c.pos
	for isDigit(c.peek()) {
		c.pos++
	}
	return c.pos > start
}

func (c *checker) word(w string) error {
	if !bytes.HasPrefix(c.in[c.pos:], []byte(w)) {
		return errNotValid
	}
	c.pos += len(w)
	return nil
}

func (c *checker) skipSpace() {
	for c.pos < len(c.in) && (c.in[c.pos] == ' ' || c.in[c.pos] == '\n' || c.in[c.pos] == '\t' || c.in[c.pos] == '\r') {
		c.pos++
	}
}

// next is the next byte that is no space.
func (c *checker) next() byte {
	c.skipSpace()
	return c.peek()
}

// peek is the next byte, 0 at the end.
func (c *checker) peek() byte {
	if c.pos >= len(c.in) {
		return 0
	}
	return c.in[c.pos]
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// Twice is the error for a key that an object has twice.
func Twice(key string) error { return fmt.Errorf("has %q twice", clip(key)) }

// keyOf is what a quoted key says.
func keyOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var key string
	_ = json.Unmarshal(quoted, &key) // it is a valid string
	return []byte(key)
}

// fewKeys is up to how many keys are compared each with each: most objects have no more.
const fewKeys = 16

func anyTwice(keys [][]byte) (key string, twice bool) {
	if len(keys) <= fewKeys {
		for i, key := range keys {
			for _, other := range keys[:i] {
				if bytes.EqualFold(key, other) {
					return string(key), true
				}
			}
		}
		return "", false
	}
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		folded := FoldKey(string(key))
		if seen[folded] {
			return string(key), true
		}
		seen[folded] = true
	}
	return "", false
}

package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// Errors of Parse.
var (
	errNotUTF8  = errors.New("is not UTF-8")
	errNotValid = errors.New("is not valid JSON, or something follows the JSON value")
	errTooDeep  = errors.New("nests too deeply")
	errStop     = errors.New("stop") // ends a walk early
)

// Parse checks that text is one JSON value that nests at most depth levels, has no key twice in an
// object and is UTF-8. It compares keys by strings.EqualFold, as encoding/json does: two programs
// could read a repeated key as two different values. The error completes a sentence: "is not valid
// JSON".
func Parse(text []byte, depth int) (JSON, error) {
	text = bytes.Trim(text, space)
	switch {
	case !utf8.Valid(text):
		return nil, errNotUTF8
	case !json.Valid(text):
		return nil, errNotValid
	}
	return JSON(text), checkNesting(text, depth)
}

// space is the whitespace of RFC 8259 section 2, without that of Unicode.
const space = " \t\r\n"

// checkNesting walks once through valid JSON for its depth and for repeated keys.
func checkNesting(text []byte, depth int) error {
	var keys [][]byte // of all open objects
	var first []int   // where the keys of each open value begin
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := skipText(text, i)
			if rest := bytes.TrimLeft(text[end:], space); len(rest) > 0 && rest[0] == ':' {
				keys = append(keys, keyOf(text[i:end]))
			}
			i = end - 1
		case '{', '[':
			if first = append(first, len(keys)); len(first) > depth {
				return errTooDeep
			}
		case '}', ']':
			last := len(first) - 1
			if key, twice := anyTwice(keys[first[last]:]); twice {
				return fmt.Errorf("has %q twice", filter.Clip(key))
			}
			keys, first = keys[:first[last]], first[:last]
		}
	}
	return nil
}

// keyOf returns the text of a quoted key.
func keyOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	return []byte(JSON(quoted).decodeText())
}

// fewKeys is up to how many keys each is compared with each: most objects have no more.
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
		folded := foldKey(string(key))
		if seen[folded] {
			return string(key), true
		}
		seen[folded] = true
	}
	return "", false
}

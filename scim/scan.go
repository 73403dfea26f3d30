package scim

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/patch"
)

// scanJSON refuses a body that is no JSON object, nests too deeply, or has the same key twice in an object, at any depth and in any
// letter case: what such a body means depends on who reads it.
func scanJSON(body []byte, depth int) error {
	bad := func(detail string) error {
		return scimerrors.ScimError{Status: 400, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
	}
	if !utf8.Valid(body) {
		return bad("the body is not UTF-8")
	}
	body = bytes.Trim(body, " \t\r\n") // what RFC 8259, section 2, calls whitespace, and nothing that Unicode adds
	switch {
	case nestsDeeper(body, depth):
		return bad("the body nests too deeply")
	case len(body) == 0 || body[0] != '{':
		return bad("the body is not a JSON object")
	case !json.Valid(body):
		return bad("the body is not valid JSON, or something follows the JSON object")
	}
	if key, twice := repeatedKey(body); twice {
		return patch.GivenTwice(key)
	}
	return nil
}

// nestsDeeper says whether body, which need not be valid, has more than depth brackets open at once.
func nestsDeeper(body []byte, depth int) bool {
	level := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = endOfString(body, i) - 1
		case '{', '[':
			if level++; level > depth {
				return true
			}
		case '}', ']':
			level--
		}
	}
	return false
}

// repeatedKey is a key that an object of body, which is valid, has twice.
func repeatedKey(body []byte) (key string, twice bool) {
	var keys [][]byte // of all that is open
	var begins []int  // where in keys those of each begin; a list has none
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			end := endOfString(body, i)
			if rest := bytes.TrimLeft(body[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
				keys = append(keys, keyOf(body[i:end]))
			}
			i = end - 1
		case '{', '[':
			begins = append(begins, len(keys))
		case '}', ']':
			last := len(begins) - 1
			if key, twice := anyTwice(keys[begins[last]:]); twice {
				return key, true
			}
			keys, begins = keys[:begins[last]], begins[:last]
		}
	}
	return "", false
}

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
		folded := patch.FoldKey(string(key))
		if seen[folded] {
			return string(key), true
		}
		seen[folded] = true
	}
	return "", false
}

// endOfString is behind the string that begins at i.
func endOfString(body []byte, i int) int {
	for i++; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(body)
}

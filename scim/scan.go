package scim

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	scimerrors "github.com/elimity-com/scim/errors"
)

// scanJSON refuses a body that is no JSON object, nests too deeply, or has the same key twice at its top (in any
// letter case): what such a body means depends on who reads it.
func scanJSON(body []byte, depth int) error {
	bad := func(detail string) error {
		return scimerrors.ScimError{Status: 400, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
	}
	if !utf8.Valid(body) {
		return bad("the body is not UTF-8")
	}
	body = bytes.Trim(body, " \t\r\n") // what RFC 8259, section 2, calls whitespace, and nothing that Unicode adds
	keys, fits := topKeys(body, depth)
	switch {
	case !fits:
		return bad("the body nests too deeply")
	case len(body) == 0 || body[0] != '{':
		return bad("the body is not a JSON object")
	case !json.Valid(body):
		return bad("the body is not valid JSON, or something follows the JSON object")
	}
	seen := make(map[string]bool, len(keys))
	for _, quoted := range keys {
		var name string
		if err := json.Unmarshal(quoted, &name); err != nil {
			return bad("the body is not valid JSON")
		}
		if folded := strings.ToLower(name); seen[folded] {
			return bad("a key is given twice")
		} else {
			seen[folded] = true
		}
	}
	return nil
}

// topKeys finds the keys of the outermost object, quoted, and says whether nothing nests deeper than depth. It reads bodies
// that are not valid, too: what it finds then means nothing.
func topKeys(body []byte, depth int) (keys [][]byte, fits bool) {
	level, key := 0, false // key: at level 1 the next string is one
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			end := endOfString(body, i)
			if level == 1 && key {
				keys = append(keys, body[i:end])
			}
			i = end - 1
		case '{', '[':
			if level++; level > depth {
				return nil, false
			}
			key = level == 1
		case '}', ']':
			level--
		case ':':
			key = false
		case ',':
			key = level == 1
		}
	}
	return keys, true
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

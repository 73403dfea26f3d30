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
	level, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if level++; level > depth {
				return bad("the body nests too deeply")
			}
		case c == '}' || c == ']':
			level--
		}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return bad("the body is not a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return bad("the body is not valid JSON")
		}
		if folded := strings.ToLower(name); seen[folded] {
			return bad("a key is given twice")
		} else {
			seen[folded] = true
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return bad("the body is not valid JSON")
		}
	}
	if _, err := dec.Token(); err != nil {
		return bad("the body is not valid JSON")
	}
	if dec.More() {
		return bad("something follows the JSON object")
	}
	return nil
}

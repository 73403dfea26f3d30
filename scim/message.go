package scim

import (
	"encoding/json"
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"
)

// jsonType names the JSON type of a valid value for an error; nil is what is absent.
func jsonType(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// given returns whether a member of a message says anything.
func given(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] != 'n' }

// wrongType says which member of a message has the wrong type, and names both types.
func wrongType(path, expected string, raw json.RawMessage) error {
	return badMessage(path + ": expected " + expected + ", got " + jsonType(raw))
}

func badMessage(detail string) error {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
}

// textMember reads a string; what says nothing is empty.
func textMember(path string, raw json.RawMessage) (string, error) {
	var s string
	if !given(raw) {
		return "", nil
	}
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", wrongType(path, "a string", raw)
	}
	return s, nil
}

// scalarMember reads a string, or a number as it is written: some clients quote numbers, others
// write numbers for texts.
func scalarMember(path, expected string, raw json.RawMessage) (string, error) {
	switch jsonType(raw) {
	case "a number":
		return string(raw), nil
	case "a string", "nothing", "null":
		return textMember(path, raw)
	}
	return "", wrongType(path, expected, raw)
}

// listMember reads a list; what says nothing is empty.
func listMember(path string, raw json.RawMessage) (list []json.RawMessage, err error) {
	if !given(raw) {
		return nil, nil
	}
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, wrongType(path, "a list", raw)
	}
	return list, nil
}

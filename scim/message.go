package scim

import (
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// given returns whether a member of a message says anything.
func given(v value.JSON) bool { return len(v) > 0 && !v.IsNull() }

// wrongType says which member of a message has the wrong type, and names both types.
func wrongType(path, expected string, v value.JSON) error {
	return badMessage(path + ": expected " + expected + ", got " + v.Kind())
}

func badMessage(detail string) error {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
}

// textMember reads a string; what says nothing is empty.
func textMember(path string, v value.JSON) (string, error) {
	switch {
	case !given(v):
		return "", nil
	case !v.IsText():
		return "", wrongType(path, "a string", v)
	}
	return v.Text(), nil
}

// scalarMember reads a string, or a number as it is written: some clients quote numbers, others
// write numbers for texts.
func scalarMember(path, expected string, v value.JSON) (string, error) {
	if !given(v) {
		return "", nil
	}
	s, ok := v.Scalar()
	if !ok || v.IsBool() {
		return "", wrongType(path, expected, v)
	}
	return s, nil
}

// listMember checks that a member is a list, or says nothing.
func listMember(path string, v value.JSON) (value.JSON, error) {
	switch {
	case !given(v):
		return value.JSON("[]"), nil
	case !v.IsList():
		return nil, wrongType(path, "a list", v)
	}
	return v, nil
}

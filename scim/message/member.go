package message

import "github.com/scimbridge/scimbridge/scim/value"

// Given reports whether a member of a message is present and not null.
func Given(v value.JSON) bool { return len(v) > 0 && !v.IsNull() }

// WrongType returns the error for a member of the wrong type. It names the member and both types.
func WrongType(path, expected string, v value.JSON) error {
	return InvalidSyntax(path + ": expected " + expected + ", got " + v.Kind())
}

// Text returns a member that is a string; "" if it is absent.
func Text(path string, v value.JSON) (string, error) {
	switch {
	case !Given(v):
		return "", nil
	case !v.IsText():
		return "", WrongType(path, "a string", v)
	}
	return v.Text(), nil
}

// Scalar returns a member that is a string or a number, as it is written. Some clients quote
// numbers, others write numbers for strings.
func Scalar(path, expected string, v value.JSON) (string, error) {
	if !Given(v) {
		return "", nil
	}
	s, ok := v.Scalar()
	if !ok || v.IsBool() {
		return "", WrongType(path, expected, v)
	}
	return s, nil
}

// List returns a member that is a list; an empty list if it is absent.
func List(path string, v value.JSON) (value.JSON, error) {
	switch {
	case !Given(v):
		return value.JSON("[]"), nil
	case !v.IsList():
		return nil, WrongType(path, "a list", v)
	}
	return v, nil
}

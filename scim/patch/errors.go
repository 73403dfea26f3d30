package patch

import (
	"errors"
	"fmt"
	"net/http"

	scim "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// fail is base, one of the library's errors, with a text of its own.
func fail(base scim.ScimError, format string, args ...any) error {
	base.Detail = fmt.Sprintf(format, args...)
	return base
}

// wrong is the error for a value; path is the attribute that was read.
func wrong(path string, err error) error {
	var f *value.Fault
	if !errors.As(err, &f) {
		return err
	}
	return fail(scim.ScimErrorInvalidValue, "%v", f.At(path))
}

// givenTwice refuses a request that gives an attribute twice.
func givenTwice(path string) error {
	return fail(scim.ScimErrorInvalidSyntax, "%s: is given twice", value.Clip(withoutFilters(path)))
}

// tooMany refuses a request for its number of operations.
func tooMany(limit int) error {
	return scim.ScimError{
		Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("Operations: expected at most %d, got more", limit),
	}
}

// at adds to a ScimError which operation of the request is wrong.
func at(i int, err error) error {
	if err == nil {
		return nil
	}
	var e scim.ScimError
	if errors.As(err, &e) {
		e.Detail = fmt.Sprintf("Operations[%d]: %s", i, e.Detail)
		return e
	}
	return err
}

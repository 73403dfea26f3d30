package patch

import (
	"errors"
	"fmt"
	"net/http"

	scim "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// fail returns an error of the library with another text.
func fail(base scim.ScimError, format string, args ...any) error {
	base.Detail = fmt.Sprintf(format, args...)
	return base
}

// wrong returns the error for a value; path is its attribute.
func wrong(path string, err error) error {
	var f *value.Fault
	if !errors.As(err, &f) {
		return err
	}
	return fail(scim.ScimErrorInvalidValue, "%v", f.At(path))
}

// givenTwice refuses a request that gives an attribute twice.
func givenTwice(path string) error {
	return fail(scim.ScimErrorInvalidSyntax, "%s: is given twice", filter.Clip(withoutFilters(path)))
}

// noPlace is the place of a value in a whole resource.
const noPlace = -1

// tooMany refuses a request for its number of operations.
func tooMany() error {
	return scim.ScimError{
		Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("Operations: expected at most %d, got more", maxOperations),
	}
}

// at adds the index of the wrong operation to a ScimError; i is noPlace if there are no operations.
func at(i int, err error) error {
	if err == nil || i == noPlace {
		return err
	}
	var e scim.ScimError
	if errors.As(err, &e) {
		e.Detail = fmt.Sprintf("Operations[%d]: %s", i, e.Detail)
		return e
	}
	return err
}

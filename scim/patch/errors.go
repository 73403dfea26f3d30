package patch

import (
	"errors"
	"fmt"
	"net/http"

	scim "github.com/elimity-com/scim/errors"
)

// echoLimit is how many bytes of the input an error or the list of ignored attributes repeats.
const echoLimit = 60

// fail is base, one of the library's errors, with a text of its own.
func fail(base scim.ScimError, format string, args ...any) error {
	base.Detail = fmt.Sprintf(format, args...)
	return base
}

// tooMany refuses a request for its number of operations.
func tooMany(limit int) error {
	return scim.ScimError{
		Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("the request has more than the %d operations that are allowed", limit),
	}
}

// at adds to a ScimError which operation of the request is wrong, counted from 1.
func at(n int, err error) error {
	if err == nil {
		return nil
	}
	var e scim.ScimError
	if errors.As(err, &e) {
		e.Detail = fmt.Sprintf("operation %d: %s", n, e.Detail)
		return e
	}
	return err
}

// clip shortens s to echoLimit bytes, at a rune boundary.
func clip(s string) string {
	if len(s) <= echoLimit {
		return s
	}
	end := 0
	for i := range s {
		if i > echoLimit-len("…") {
			break
		}
		end = i
	}
	return s[:end] + "…"
}

package message

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

// MediaType is the media type of every answer (RFC 7644 section 3.1).
const MediaType = "application/scim+json"

// After how many seconds a client should try again. Okta reads whole numbers only.
const (
	retryStore = 60 // the store could not take a change
	retryBusy  = 10 // memory or turns were short
)

// tooMany is the scimType of a list that would take more than the server gives (RFC 7644 section
// 3.12).
const tooMany = "tooMany"

// ErrBusy is the error of a request that found no room: see package share.
var ErrBusy = errors.New("too many large requests at a time")

// NotFound returns the error for a path or a resource that does not exist.
func NotFound(detail string) scimerrors.ScimError {
	return scimerrors.ScimError{Status: http.StatusNotFound, Detail: detail}
}

// InvalidValue returns the error for a value that an attribute or a parameter cannot have.
func InvalidValue(detail string) scimerrors.ScimError {
	return badRequest(scimerrors.ScimTypeInvalidValue, detail)
}

// InvalidSyntax returns the error for a message that has not the form of RFC 7644.
func InvalidSyntax(detail string) scimerrors.ScimError {
	return badRequest(scimerrors.ScimTypeInvalidSyntax, detail)
}

// TooMany returns the error for a list that would take too much time or memory.
func TooMany(detail string) scimerrors.ScimError { return badRequest(tooMany, detail) }

// TooLarge returns the error for a body, or a resource, beyond a limit.
func TooLarge(detail string) scimerrors.ScimError {
	return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: detail}
}

func badRequest(kind scimerrors.ScimType, detail string) scimerrors.ScimError {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: kind, Detail: detail}
}

// ErrorFor returns the answer to an error. The text of an internal error stays in the log.
func ErrorFor(err error) scimerrors.ScimError {
	later := func(detail string) scimerrors.ScimError {
		return scimerrors.ScimError{Status: http.StatusTooManyRequests, Detail: detail}
	}
	var known scimerrors.ScimError
	var wrong *filter.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &wrong):
		return badRequest(scimerrors.ScimTypeInvalidFilter, wrong.Detail)
	case errors.Is(err, ErrBusy):
		return later("too many large requests at a time, nothing was changed; send it again later")
	case errors.Is(err, store.ErrNotFound):
		return NotFound("there is no such resource")
	case errors.Is(err, store.ErrConflict):
		return scimerrors.ScimError{Status: http.StatusConflict, ScimType: scimerrors.ScimTypeUniqueness,
			Detail: "the userName or displayName is taken"}
	case errors.Is(err, store.ErrUnknown):
		return later("the answer of the store was lost, it may have been stored or not; send it again later")
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return later("cannot be stored now, nothing was changed; send it again later")
	}
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "internal error"}
}

// Fail answers a request with an error and returns that answer.
func Fail(w http.ResponseWriter, err error) scimerrors.ScimError {
	e := ErrorFor(err)
	if errors.Is(err, ErrBusy) {
		w.Header().Set("Retry-After", strconv.Itoa(retryBusy))
	}
	WriteError(w, e)
	return e
}

// WriteError writes an error as an answer, with Retry-After for a client that should try again.
func WriteError(w http.ResponseWriter, e scimerrors.ScimError) {
	if e.Status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(retryStore))
	}
	body, err := json.Marshal(e)
	if err != nil {
		body = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"500"}`)
		e.Status = http.StatusInternalServerError
	}
	WriteJSON(w, e.Status, body)
}

// WriteJSON writes an answer with a body.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", MediaType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // it fails only if the client has gone
}

package scim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/ingress"
	"github.com/scimbridge/scimbridge/store"
)

// mediaType is the one of every answer (RFC 7644 section 3.1).
const mediaType = "application/scim+json"

// retryAfter is how long a client should wait after something could not be stored, in seconds. Okta understands whole
// numbers only.
const retryAfter = 60

func notFound(detail string) scimerrors.ScimError {
	return scimerrors.ScimError{Status: http.StatusNotFound, Detail: detail}
}

func badValue(detail string) scimerrors.ScimError {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidValue, Detail: detail}
}

// toSCIM says how an error is answered. Texts of errors that are not meant for the client stay here.
func toSCIM(err error) scimerrors.ScimError {
	var known scimerrors.ScimError
	var wrong *filter.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &wrong):
		return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidFilter, Detail: wrong.Detail}
	case errors.Is(err, errBusy{}):
		return scimerrors.ScimError{Status: http.StatusTooManyRequests, Detail: "too many large requests at a time, nothing was changed; send it again later"}
	case errors.Is(err, store.ErrNotFound):
		return notFound("there is no such resource")
	case errors.Is(err, store.ErrConflict):
		return scimerrors.ScimError{Status: http.StatusConflict, ScimType: scimerrors.ScimTypeUniqueness, Detail: "the userName or displayName is taken"}
	case errors.Is(err, store.ErrUnknown):
		return scimerrors.ScimError{Status: http.StatusTooManyRequests, Detail: "the answer of the store was lost, it may have been stored or not; send it again later"}
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return scimerrors.ScimError{Status: http.StatusTooManyRequests, Detail: "cannot be stored now, nothing was changed; send it again later"}
	}
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "internal error"}
}

// refuse answers a request that the ingress refused.
func refuse(w http.ResponseWriter, err error) {
	var r *ingress.Refusal
	if !errors.As(err, &r) {
		writeError(w, scimerrors.ScimErrorInternal)
		return
	}
	e := scimerrors.ScimError{Status: r.Status, Detail: r.Detail}
	switch r.Status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int(r.After/time.Second)))
	case http.StatusBadRequest:
		e.ScimType = scimerrors.ScimTypeInvalidValue
	}
	writeError(w, e)
}

func writeError(w http.ResponseWriter, e scimerrors.ScimError) {
	if e.Status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	body, err := json.Marshal(e)
	if err != nil {
		body = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"500"}`)
		e.Status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // the client went away: nobody to tell
}

// fail answers an error and logs what the client does not see.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := toSCIM(err)
	s.logFailure(r, e, err)
	if errors.Is(err, errBusy{}) {
		w.Header().Set("Retry-After", strconv.Itoa(busyRetry))
	}
	writeError(w, e)
}

func (s *Server) logFailure(r *http.Request, e scimerrors.ScimError, err error) {
	if e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests {
		s.Log.Error("request failed", "request", callOf(r).id, "status", e.Status, "error", err)
	}
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allow := "GET, HEAD"
	path := strings.TrimPrefix(r.URL.Path, Root)
	switch kind := path == userKind.endpoint || path == groupKind.endpoint; {
	case kind:
		allow = "GET, HEAD, POST"
	case path == "/Bulk" || strings.HasSuffix(path, "/.search"):
		allow = "POST"
	case strings.HasPrefix(path, userKind.endpoint+"/"), strings.HasPrefix(path, groupKind.endpoint+"/"):
		allow = "GET, HEAD, PUT, PATCH, DELETE"
	}
	w.Header().Set("Allow", allow)
	writeError(w, scimerrors.ScimError{Status: http.StatusMethodNotAllowed, Detail: "the method is not allowed here"})
}

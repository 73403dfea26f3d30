package scim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// maxTrusted is for how many bytes there is room at once because a request says that it has as many.
const maxTrusted = 64 << 10

// withBody reads the body before a route that has one and checks it once: what follows reads the checked JSON from the call. An
// operation of a bulk request brings its body, which was checked with the whole.
func (s *Server) withBody(limit int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r)
		if c.body == nil {
			text, release, err := s.readBody(r, limit)
			defer release()
			if isSearch(r.URL.Path) && len(bytes.TrimSpace(text)) == 0 {
				text = []byte("{}") // a search without a body asks for everything
			}
			if err == nil {
				c.body, err = parseBody(text)
			}
			if err != nil {
				s.fail(w, r, err)
				return
			}
		}
		if int64(len(c.body)) > limit {
			s.fail(w, r, bodyTooLarge(limit))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readBody checks media type and size and reads the body. release gives back the memory for it.
func (s *Server) readBody(r *http.Request, limit int64) (text []byte, release func(), err error) {
	release = func() {}
	if err := readable(r); err != nil {
		return nil, release, err
	}
	var read bytes.Buffer
	read.Grow(int(min(max(r.ContentLength, 0), maxTrusted)) + bytes.MinRead) // the rest as it comes: the length is only said
	_, err = read.ReadFrom(io.LimitReader(r.Body, min(limit+1, maxTrusted)))
	if err == nil && read.Len() == maxTrusted {
		release, err = s.readRest(r, &read, limit)
	}
	switch {
	case errors.Is(err, errBusy{}):
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscard) // as below
		return nil, release, err
	case int64(read.Len()) > limit:
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscard) // or the client would see its connection break instead of the answer
		return nil, release, bodyTooLarge(limit)
	case err != nil:
		return nil, release, badValue("the body ended early")
	}
	return bytes.TrimPrefix(read.Bytes(), byteOrderMark), release, nil
}

// readRest reads what follows the first maxTrusted bytes, for which it waits for memory, and then
// waits for the memory that the work on it takes.
func (s *Server) readRest(r *http.Request, read *bytes.Buffer, limit int64) (release func(), err error) {
	size := limit
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	reading, err := s.memory.reading.take(r.Context(), callOf(r).idp, size)
	if err != nil {
		return func() {}, err
	}
	if _, err := read.ReadFrom(io.LimitReader(r.Body, limit+1-maxTrusted)); err != nil || int64(read.Len()) > limit {
		return reading, err
	}
	working, err := s.memory.working.take(r.Context(), callOf(r).idp, bodyCost*int64(read.Len()))
	if err != nil {
		return reading, err
	}
	return func() { working(); reading() }, nil
}

// readable refuses a body that is not JSON as it is.
func readable(r *http.Request) error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return scimerrors.ScimError{Status: http.StatusUnsupportedMediaType, Detail: "a compressed body is not accepted"}
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || (media != mediaType && media != "application/json") {
			return scimerrors.ScimError{Status: http.StatusUnsupportedMediaType, Detail: "the body must be application/scim+json or application/json"}
		}
	}
	return nil
}

// parseBody checks that a body is one JSON object.
func parseBody(text []byte) (value.JSON, error) {
	bad := func(detail string) error {
		return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
	}
	body, err := value.Parse(text, value.MaxDepth)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, bad("the body: expected an object, got nothing")
	case err != nil:
		return nil, bad("the body " + err.Error())
	case !body.IsObject():
		return nil, bad("the body: expected an object, got " + body.Kind())
	}
	return body, nil
}

// isSearch says whether a clean path is that of a search.
func isSearch(path string) bool { return strings.HasSuffix(path, "/"+searchName) }

// byteOrderMark begins a text, as some clients on Windows send it.
var byteOrderMark = []byte("\xef\xbb\xbf")

func bodyTooLarge(limit int64) error {
	return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body has more than %d bytes", limit)}
}

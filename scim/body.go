package scim

import (
	"bytes"
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
			text, err := readBody(r, limit)
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

// readBody checks media type and size and reads the body.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, scimerrors.ScimError{Status: http.StatusUnsupportedMediaType, Detail: "a compressed body is not accepted"}
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || (media != mediaType && media != "application/json") {
			return nil, scimerrors.ScimError{Status: http.StatusUnsupportedMediaType, Detail: "the body must be application/scim+json or application/json"}
		}
	}
	var read bytes.Buffer
	read.Grow(int(min(max(r.ContentLength, 0), maxTrusted)) + bytes.MinRead) // the rest as it comes: the length is only said
	_, err := read.ReadFrom(io.LimitReader(r.Body, limit+1))
	switch {
	case int64(read.Len()) > limit:
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscard) // or the client would see its connection break instead of the answer
		return nil, bodyTooLarge(limit)
	case err != nil:
		return nil, badValue("the body ended early")
	}
	return read.Bytes(), nil
}

// parseBody checks that a body is one JSON object.
func parseBody(text []byte) (value.JSON, error) {
	bad := func(detail string) error {
		return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: detail}
	}
	body, err := value.Parse(bytes.TrimPrefix(text, byteOrderMark), value.MaxDepth)
	switch {
	case err != nil:
		return nil, bad("the body " + err.Error())
	case !body.IsObject():
		return nil, bad("the body: expected an object, got " + body.Kind())
	}
	return body, nil
}

// byteOrderMark begins a text, as some clients on Windows send it.
var byteOrderMark = []byte("\xef\xbb\xbf")

func bodyTooLarge(limit int64) error {
	return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body has more than %d bytes", limit)}
}

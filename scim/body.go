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

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/route"
	"github.com/scimbridge/scimbridge/scim/share"
	"github.com/scimbridge/scimbridge/scim/value"
)

const (
	maxTrusted = 64 << 10 // bytes that are allocated because a request announces them
	maxDiscard = 64 << 20 // bytes that are read and dropped so that the client gets the answer "too large"
	bodyCost   = 7        // memory for the work on a body, in sizes of the body
)

// memory limits what the bodies of all requests take at a time; bodies of up to maxTrusted bytes
// are free. A quarter is for bodies being read, where a slow client holds its part for long. The
// rest is for the work on complete bodies, which waits for no client.
type memory struct{ reading, working *share.Pool }

func newMemory(size int64) memory {
	return memory{share.New(size / 4), share.New(size - size/4)}
}

// withBody reads the body of a request and checks its JSON once; later steps read it from the call.
// An operation of a bulk request brings its body, which was checked with the whole.
func (s *Server) withBody(limit int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r)
		if c.body == nil {
			text, release, err := s.readBody(r, limit)
			defer release()
			if route.IsSearch(r.URL.Path) && len(bytes.TrimSpace(text)) == 0 {
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

// readBody checks media type and size and reads the body. release gives its memory back.
func (s *Server) readBody(r *http.Request, limit int64) (text []byte, release func(), err error) {
	release = func() {}
	if err := checkMediaType(r); err != nil {
		return nil, release, err
	}
	var read bytes.Buffer
	read.Grow(int(min(max(r.ContentLength, 0), maxTrusted)) + bytes.MinRead)
	_, err = read.ReadFrom(io.LimitReader(r.Body, min(limit+1, maxTrusted)))
	if err == nil && read.Len() == maxTrusted {
		release, err = s.readRest(r, &read, limit)
	}
	switch {
	case errors.Is(err, message.ErrBusy):
		discard(r)
		return nil, release, err
	case int64(read.Len()) > limit:
		discard(r)
		return nil, release, bodyTooLarge(limit)
	case err != nil:
		return nil, release, message.InvalidValue("the body ended early")
	}
	return bytes.TrimPrefix(read.Bytes(), byteOrderMark), release, nil
}

// discard reads the rest of a body. Otherwise the client sees a broken connection in the place of
// the answer.
func discard(r *http.Request) { _, _ = io.CopyN(io.Discard, r.Body, maxDiscard) }

// readRest waits for memory and reads what follows the first maxTrusted bytes. Then it waits for
// the memory that the work on the body takes.
func (s *Server) readRest(r *http.Request, read *bytes.Buffer, limit int64) (release func(), err error) {
	size := limit
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	reading, err := s.memory.reading.Take(r.Context(), callOf(r).idp, size)
	if err != nil {
		return func() {}, err
	}
	if _, err := read.ReadFrom(io.LimitReader(r.Body, limit+1-maxTrusted)); err != nil || int64(read.Len()) > limit {
		return reading, err
	}
	working, err := s.memory.working.Take(r.Context(), callOf(r).idp, bodyCost*int64(read.Len()))
	if err != nil {
		return reading, err
	}
	return func() { working(); reading() }, nil
}

// checkMediaType refuses a body that is not JSON, or compressed.
func checkMediaType(r *http.Request) error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return scimerrors.ScimError{Status: http.StatusUnsupportedMediaType, Detail: "a compressed body is not accepted"}
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || (media != message.MediaType && media != "application/json") {
			return scimerrors.ScimError{Status: http.StatusUnsupportedMediaType, Detail: "the body must be application/scim+json or application/json"}
		}
	}
	return nil
}

// parseBody checks that a body is one JSON object.
func parseBody(text []byte) (value.JSON, error) {
	body, err := value.Parse(text, value.MaxDepth)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, message.InvalidSyntax("the body: expected an object, got nothing")
	case err != nil:
		return nil, message.InvalidSyntax("the body " + err.Error())
	case !body.IsObject():
		return nil, message.InvalidSyntax("the body: expected an object, got " + body.Kind())
	}
	return body, nil
}

// byteOrderMark starts a text of some clients on Windows.
var byteOrderMark = []byte("\xef\xbb\xbf")

func bodyTooLarge(limit int64) error {
	return message.TooLarge(fmt.Sprintf("the body has more than %d bytes", limit))
}

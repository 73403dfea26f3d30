package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/scimbridge/scimbridge/store/nearest"
)

type writeFunc func(ctx context.Context, to io.Writer) error

// How long a client may take over an answer that is written while the store is read: over one
// piece, and over a copy of the whole store. A copy is one transaction, and the file grows while it
// lasts, because no page of its moment can be reused.
const (
	pieceSize = 64 << 10
	pieceTime = 30 * time.Second
	copyTime  = 15 * time.Minute
)

// deadlineWriter writes an answer. It fails if the client stops reading, or after end.
type deadlineWriter struct {
	http.ResponseWriter
	now     func() time.Time
	piece   time.Duration
	end     time.Time // zero: never
	written bool
}

// Write implements io.Writer.
func (s *deadlineWriter) Write(p []byte) (n int, err error) {
	for from := 0; err == nil && from < len(p); from = n {
		deadline := s.now().Add(s.piece)
		if !s.end.IsZero() && s.end.Before(deadline) {
			deadline = s.end
		}
		if err := http.NewResponseController(s.ResponseWriter).SetWriteDeadline(deadline); err != nil {
			return n, fmt.Errorf("limiting an answer: %w", err)
		}
		s.written = true
		var more int
		more, err = s.ResponseWriter.Write(p[from:min(from+pieceSize, len(p))])
		n += more
	}
	return n, err
}

// stream answers with what may take long to write: at most as long as most, if that is not 0. A
// failure in the middle breaks the connection, so that half a copy is not mistaken for a complete
// one.
func (c *Console) stream(contentType string, most time.Duration, what func() writeFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !withoutDeadline(w) {
			return
		}
		w.Header().Set("Content-Type", contentType)
		to := &deadlineWriter{ResponseWriter: w, now: time.Now, piece: cmp.Or(c.PieceTime, pieceTime)}
		if most > 0 {
			to.end = to.now().Add(most)
		}
		err := what()(r.Context(), to)
		var unknown *nearest.UnknownError
		switch {
		case err == nil:
			return
		case errors.Is(err, errors.ErrUnsupported) && !to.written:
			refuse(w, http.StatusNotImplemented, err.Error())
			return
		case errors.As(err, &unknown) && !to.written:
			refuse(w, http.StatusNotFound, unknown.Error())
			return
		case c.BrokeOff != nil:
			c.BrokeOff(r.URL.Path, err)
		}
		if to.written {
			panic(http.ErrAbortHandler)
		}
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read; see the server's log")
	}
}

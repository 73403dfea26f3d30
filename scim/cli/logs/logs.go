package logs

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/scim/legible"
)

// maxSpool is how many bytes of the log may wait for a slow reader.
const maxSpool = 4 << 20

// lastLines is how long the process waits at its end for the reader of its log.
const lastLines = 500 * time.Millisecond

// Spool is a writer that never waits: a goroutine writes what it gets. Beyond maxSpool, lines are
// dropped and counted.
type Spool struct {
	to   io.Writer
	text bool // the lines are text, not JSON

	mu       sync.Mutex
	waiting  bytes.Buffer
	dropped  uint64
	reported uint64 // of those, how many the log has reported
	closed   bool
	wake     chan struct{} // has room for one
	done     chan struct{} // closed when nothing is left after close
}

func newSpool(to io.Writer) *Spool {
	s := &Spool{to: to, text: isTerminal(to), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// Write takes a line, or drops it.
func (s *Spool) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.waiting.Len()+len(line) > maxSpool {
		s.dropped++
		return len(line), nil
	}
	s.waiting.Write(line)
	s.signal()
	return len(line), nil
}

func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Dropped is how many lines were dropped or could not be written.
func (s *Spool) Dropped() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.dropped)
}

// run writes what waits until the Spool is closed and empty.
func (s *Spool) run() {
	defer close(s.done)
	for {
		<-s.wake
		for {
			text, closed := s.take()
			if len(text) == 0 {
				if closed {
					return
				}
				break
			}
			if n, err := s.to.Write(text); err != nil {
				s.lost(text[n:])
			}
		}
	}
}

// take returns what waits, with a line about lines that were dropped before.
func (s *Spool) take() (text []byte, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = bytes.Clone(s.waiting.Bytes())
	s.waiting = bytes.Buffer{}
	if n := s.dropped - s.reported; n > 0 && len(text) > 0 {
		s.reported = s.dropped
		text = append(text, droppedLine(s.text, n)...)
	}
	return text, s.closed
}

// lost counts the lines of a text that could not be written.
func (s *Spool) lost(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(bytes.Count(text, []byte("\n")))
	s.dropped += n
	s.reported += n
}

// Close waits briefly for the rest to be written; later lines are dropped.
func (s *Spool) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
	select {
	case <-s.done:
	case <-time.After(lastLines):
	}
}

// Briefly writes a text without waiting long for its reader.
func Briefly(w io.Writer, text string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(w, text) // there is no other place to report to
	}()
	select {
	case <-written:
	case <-time.After(lastLines):
	}
}

// New returns a logger that writes lines at a level, without waiting for the reader of w: text on a terminal, JSON
// otherwise.
func New(w io.Writer, level string) (*slog.Logger, *Spool, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, nil, fmt.Errorf("--log-level %q is not one of debug, info, warn, error", legible.Clip(level))
	}
	s := newSpool(w)
	return slog.New(logHandler(legible.NewWriter(s), s.text, l)), s, nil
}

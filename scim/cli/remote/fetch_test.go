package remote

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A full disk is not taken for a server that broke off.
func TestKeeper(t *testing.T) {
	full := errors.New("no space left")
	k := &keeper{to: writerFunc(func([]byte) (int, error) { return 0, full })}
	if _, err := io.Copy(k, strings.NewReader("x")); !errors.Is(err, full) || !errors.Is(k.err, full) {
		t.Errorf("%v, %v", err, k.err)
	}
	k = &keeper{to: io.Discard}
	if _, err := io.Copy(k, iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil || k.err != nil {
		t.Errorf("%v, %v", err, k.err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

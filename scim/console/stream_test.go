package console

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// TestStoppedReader: a client that stops reading a copy must not keep its transaction open.
func TestStoppedReader(t *testing.T) {
	const key = "key-of-the-operator"
	ended, broke := make(chan error, 1), make(chan string, 1)
	endless := func(_ context.Context, to io.Writer) error {
		var err error
		for piece := make([]byte, 1<<20); err == nil; {
			_, err = to.Write(piece)
		}
		ended <- err
		return err
	}
	recorded, _ := newConsole(t)
	c := &Console{Store: recorded.Store, Metrics: NewMetrics(nil, nil), Key: backend.NewSecret(key), PieceTime: 20 * time.Millisecond, Backup: endless, Export: endless,
		BrokeOff: func(path string, _ error) { broke <- path }}
	server := httptest.NewServer(c.Handler())
	defer server.Close()
	for _, path := range []string{"/api/backup", "/api/export"} {
		t.Run(path+" is cut off", func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, key); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Error("the copy ended without an error")
			}
			if got := <-broke; got != path {
				t.Errorf("the log names %s", got)
			}
		})
	}
}

// deadlines records the deadlines of an answer.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error { d.set = append(d.set, at); return nil }

func TestDeadlineWriter(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	for name, test := range map[string]struct {
		most time.Duration
		want []time.Duration
	}{
		"a piece has its own time":       {0, []time.Duration{30 * time.Second, 50 * time.Second, 70 * time.Second}},
		"a copy ends when its time ends": {40 * time.Second, []time.Duration{30 * time.Second, 40 * time.Second, 40 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			to, now := &deadlines{ResponseWriter: httptest.NewRecorder()}, begin.Add(-20*time.Second)
			s := &deadlineWriter{ResponseWriter: to, piece: 30 * time.Second, now: func() time.Time { now = now.Add(20 * time.Second); return now }}
			if test.most > 0 {
				s.end = begin.Add(test.most)
			}
			if n, err := s.Write(make([]byte, 2*pieceSize+1)); n != 2*pieceSize+1 || err != nil {
				t.Fatalf("%d bytes written: %v", n, err)
			}
			var got []time.Duration
			for _, at := range to.set {
				got = append(got, at.Sub(begin))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("deadlines after %v, want %v", got, test.want)
			}
		})
	}
}

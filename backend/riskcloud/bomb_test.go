package riskcloud

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// repeated returns a compressed answer that repeats one element up to 60 MiB.
func repeated(t *testing.T, begin, element, end string) []byte {
	t.Helper()
	var out bytes.Buffer
	to, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	many := strings.Repeat(element+",", 60<<20/(len(element)+1))
	for _, part := range []string{begin, many, element, end} {
		if _, err := io.WriteString(to, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// An answer of a few kilobytes must not cost gigabytes, and every target must not read it again.
func TestBomb(t *testing.T) {
	for name, answer := range map[string][]byte{
		"empty users":               repeated(t, "[", "{}", "]"),
		"users with an id":          repeated(t, "[", `{"id":"1"}`, "]"),
		"role ids of a user":        repeated(t, `[{"id":"1","roleIds":[`, `""`, "]}]"),
		"empty users on a page":     repeated(t, `{"content":[`, "{}", "]}"),
		"something else on a page":  repeated(t, `{"x":[`, "[]", `],"content":[]}`),
		"objects within each other": repeated(t, "[", "[", ""),
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(answer)
			}))
			defer server.Close()
			now := time.Unix(1_700_000_000, 0)
			c, err := New(Config{Caller: backend.Caller{URL: server.URL, Now: func() time.Time { return now }}, Token: backend.NewSecret("t")})
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = c.Resolve(t.Context(), "", nil)
			runtime.ReadMemStats(&after)
			if backend.KindOf(err) != backend.Transient {
				t.Errorf("%v", err)
			}
			cost := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d KiB cost %d MiB: %v", len(answer)>>10, cost, err)
			if cost > 400 {
				t.Errorf("%d MiB were allocated", cost)
			}
			if _, err = c.Resolve(t.Context(), "", nil); backend.KindOf(err) != backend.Transient || calls != 1 {
				t.Errorf("after %d calls: %v", calls, err)
			}
			now = now.Add(2 * time.Second)
			if _, err = c.Resolve(t.Context(), "", nil); err == nil || calls != 2 {
				t.Errorf("after its pause, after %d calls: %v", calls, err)
			}
			now = now.Add(1500 * time.Millisecond)
			if _, err = c.Resolve(t.Context(), "", nil); err == nil || calls != 2 {
				t.Errorf("in its second pause, after %d calls: %v", calls, err)
			}
		})
	}
}

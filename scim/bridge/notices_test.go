package bridge

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// newStore opens an empty store.
func newStore(t *testing.T) store.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rejections returns the events about rejected credentials.
func rejections(t *testing.T, s store.Store) (found []store.Event) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			if e.Type == "auth.rejected" {
				found = append(found, e)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A flood fills neither the trail nor the memory: equal events are written once a minute with their
// number.
func TestRejectionFlood(t *testing.T) {
	s := newStore(t)
	clock := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	n := &notices{now: func() time.Time { return clock }}
	ctx, r := context.Background(), httptest.NewRequest("GET", "/scim/v2/Users", nil)
	write := func(all bool) {
		t.Helper()
		if err := n.write(ctx, s, all); err != nil {
			t.Fatal(err)
		}
	}
	for range 180 { // three minutes, a thousand a second
		for range 1000 {
			n.rejected(r, &auth.Refusal{Why: "an unknown token"})
		}
		write(false)
		clock = clock.Add(time.Second)
	}
	write(true)
	found := rejections(t, s)
	if len(found) != 4 || found[0].Detail != "an unknown token, from 192.0.2.1, and 999 more until 2026-11-26T12:00:00Z" || found[1].Detail != "an unknown token, from 192.0.2.1, and 59999 more until 2026-11-26T12:01:00Z" {
		t.Errorf("%d events, %+v", len(found), found)
	}
	for i := range 5 * maxNotices {
		n.rejected(r, &auth.Refusal{Why: "another", Token: fmt.Sprint(i)})
	}
	if len(n.all) > maxNotices+1 {
		t.Errorf("%d are remembered", len(n.all))
	}
	write(true)
	clock = clock.Add(time.Hour)
	write(false)
	if found := rejections(t, s); len(n.all) != 0 || len(found) > 4+maxNotices+1 || !strings.Contains(fmt.Sprint(found), "too many different ones") {
		t.Errorf("%d are remembered, %d events", len(n.all), len(found))
	}
}

func TestRejections(t *testing.T) {
	s := newStore(t)
	clock := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	n := &notices{now: func() time.Time { return clock }}
	reject := func(from, why string) {
		r := httptest.NewRequest("GET", "/scim/v2/Users", nil)
		r.RemoteAddr = from
		n.rejected(r, &auth.Refusal{Why: why})
	}
	written := func() (details []string) {
		t.Helper()
		before := len(rejections(t, s))
		if err := n.write(context.Background(), s, true); err != nil {
			t.Fatal(err)
		}
		for _, e := range rejections(t, s)[before:] {
			details = append(details, e.Detail)
		}
		slices.Sort(details)
		return details
	}
	t.Run("differ by address", func(t *testing.T) {
		for range 3 {
			reject("203.0.113.1:1", "an unknown token")
		}
		reject("203.0.113.2:1", "an unknown token")
		reject("[2001:db8::1]:1", "an unknown token")
		reject("[2001:db8::2]:1", "an unknown token") // of the same network
		want := []string{"an unknown token, from 2001:db8::1, and 1 more until 2026-11-26T12:00:00Z",
			"an unknown token, from 203.0.113.1, and 2 more until 2026-11-26T12:00:00Z", "an unknown token, from 203.0.113.2"}
		if got := written(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
	t.Run("from many addresses fill nothing, and hide no other kind", func(t *testing.T) {
		for i := range 100_000 {
			reject(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), "another reason")
		}
		reject("203.0.113.9:1", "the credential is not accepted from this address")
		got := written()
		if len(got) != maxPlaces+2 || !strings.HasPrefix(got[maxPlaces], "another reason, from other addresses, and 99989 more") ||
			got[maxPlaces+1] != "the credential is not accepted from this address, from 203.0.113.9" {
			t.Errorf("%d: %q", len(got), got)
		}
		clock = clock.Add(time.Hour)
		written()
		if len(n.all) != 0 {
			t.Errorf("%d are remembered", len(n.all))
		}
	})
}

// slow is a store whose updates take time and end with their context.
type slow struct{ store.Store }

func (s slow) Update(ctx context.Context, fn func(store.Tx) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second):
		return s.Store.Update(ctx, fn)
	}
}

// What is being written when the bridge stops is written.
func TestStopWritesRejections(t *testing.T) {
	s := newStore(t)
	log := canary.Log(t)
	synctest.Test(t, func(t *testing.T) {
		n := &notices{now: time.Now, log: log}
		stop := n.start(slow{s})
		reject := func(why string) {
			n.rejected(httptest.NewRequest("GET", "/scim/v2/Users", nil), &auth.Refusal{Why: why})
		}
		reject("an unknown token")
		time.Sleep(noticeEvery + time.Second) // it is being written
		reject("another reason")
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if found := rejections(t, s); len(found) != 2 {
		t.Errorf("%+v", found)
	}
}

// The server warns daily of credentials that expire soon; at the start, loading the configuration
// warns.
func TestExpiryWarnings(t *testing.T) {
	var log bytes.Buffer
	n := &notices{log: slog.New(slog.NewJSONHandler(&log, nil)), tokens: []console.Token{{IdP: "okta", Token: "1a2b3c4d", Expires: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)}, {IdP: "entra", Token: "oauth-x"}}}
	for day, want := range map[string]string{"2026-11-01": "", "2026-11-30": "expires on 2026-12-24", "2026-12-24": "expired on 2026-12-24"} {
		log.Reset()
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		n.warnOfEnds(at)
		if got := log.String(); (want == "") != (got == "") || !strings.Contains(got, want) || want != "" && !strings.Contains(got, "1a2b3c4d") || strings.Contains(got, "oauth-x") {
			t.Errorf("%s: %s", day, got)
		}
	}
}

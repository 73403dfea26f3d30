package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/audit"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/storetest"
)

var start = time.Date(2026, 11, 26, 12, 0, 0, 123_000_000, time.UTC)

func open(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(withContext{t}, s)
		_ = s.Close()
	})
	return s
}

type withContext struct{ testing.TB }

func (withContext) Context() context.Context { return context.Background() }

func update(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// happened appends events a second apart.
func happened(t *testing.T, s store.Store, events ...store.Event) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i, e := range events {
			if e.At.IsZero() {
				e.At = start.Add(time.Duration(i) * time.Second)
			}
			if _, err := tx.Events().Append(e); err != nil {
				return err
			}
		}
		return nil
	})
}

func some(n int) (out []store.Event) {
	for i := range n {
		out = append(out, store.Event{Type: "grant", Account: fmt.Sprint(i)})
	}
	return out
}

func seal(t *testing.T, s store.Store) {
	t.Helper()
	if err := (&audit.Sealer{Store: s}).Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, s store.Store, known string) audit.Report {
	t.Helper()
	r, err := audit.Verify(context.Background(), s, known)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// whole verifies an intact trail with so many events with a place, and without.
func whole(t *testing.T, s store.Store, events, waiting uint64) audit.Report {
	t.Helper()
	r := verify(t, s, "")
	if r.Broken != "" || r.Events != events || r.Waiting != waiting {
		t.Errorf("%+v; want %d events, %d that wait", r, events, waiting)
	}
	return r
}

func exported(t *testing.T, s store.Store, f audit.Filter) []string {
	t.Helper()
	var b bytes.Buffer
	if err := audit.Export(context.Background(), s, f, &b); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// Events that were committed and not sealed before a crash are sealed after it, each once.
func TestSealAfterCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	happened(t, s, some(1300)...)
	whole(t, s, 0, 1300)
	seal(t, s)
	happened(t, s, some(3)...)
	before := whole(t, s, 1300, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	seal(t, s)
	after := whole(t, s, 1303, 0)
	if after.Place != 1303 || after.Head == before.Head || !after.From.Equal(start) {
		t.Errorf("%+v after %+v", after, before)
	}
	if r := verify(t, s, before.Head); r.Known != 1300 || r.Broken != "" {
		t.Errorf("a recorded head: %+v", r)
	}
	if r := verify(t, s, strings.Repeat("ab", 32)); r.Known != 0 || r.Broken == "" {
		t.Errorf("an invented head: %+v", r)
	}
	for _, bad := range []string{"abc", "zz", strings.Repeat("ab", 33), strings.Repeat("ab", 31)} {
		if _, err := audit.Verify(context.Background(), s, bad); err == nil {
			t.Errorf("%q passes for a head", bad)
		}
	}
}

// Several sealers and concurrent writers make one chain.
func TestSealersAtOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	happened(t, s, some(900)...)
	var sealers, writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for range 30 {
				if err := s.Update(context.Background(), func(tx store.Tx) error { _, err := tx.Events().Append(store.Event{Type: "x"}); return err }); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	for range 4 {
		sealers.Go(func() {
			for range 10 {
				if err := (&audit.Sealer{Store: s}).Seal(context.Background()); err != nil {
					t.Errorf("seal: %v", err)
				}
			}
		})
	}
	writers.Wait()
	sealers.Wait()
	seal(t, s)
	whole(t, s, 990, 0)
}

// Run seals within seconds, forgets old events, and seals the rest when it ends.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "s.db"))
		now := time.Now()
		happened(t, s, store.Event{Type: "old", At: now.Add(-time.Hour)}, store.Event{Type: "new", At: now})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			(&audit.Sealer{Store: s, Keep: 80 * time.Minute}).Run(ctx)
			close(done)
		}()
		time.Sleep(3 * time.Second)
		whole(t, s, 2, 0)
		time.Sleep(33 * time.Minute)
		if r := whole(t, s, 1, 0); r.Forgotten != 1 {
			t.Errorf("%+v", r)
		}
		happened(t, s, store.Event{Type: "last", At: time.Now()})
		cancel()
		<-done
		whole(t, s, 2, 0)
	})
}

// An event that cannot be forgotten is logged once, and sealing goes on.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "s.db"))
		happened(t, s, store.Event{Type: "old", At: time.Now().Add(-time.Hour)})
		update(t, s, func(tx store.Tx) error { return tx.Events().Seal(store.Seal{Place: 1, Event: 1}) }) // with a wrong digest
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(context.Background(), 55*time.Minute+time.Millisecond) // between two ticks
		defer cancel()
		(&audit.Sealer{Store: s, Keep: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))}).Run(ctx)
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "old events cannot be forgotten now") {
			t.Errorf("%d warnings:\n%s", n, &log)
		}
	})
}

func forget(t *testing.T, s store.Store, now time.Time, keep time.Duration) error {
	t.Helper()
	return (&audit.Sealer{Store: s, Keep: keep, Now: func() time.Time { return now }}).Forget(context.Background())
}

func TestForget(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	happened(t, s, some(1000)...)
	mark := store.Subject{IdP: "idp", Event: 501}
	update(t, s, func(tx store.Tx) error { return tx.Work("vt").Touch("t", start, store.Origin{}, mark) })
	seal(t, s)
	happened(t, s, some(1)...)
	all := whole(t, s, 1000, 1)
	is := func(what string, after time.Duration, keep time.Duration, events, waiting uint64) {
		t.Helper()
		if err := forget(t, s, start.Add(after), keep); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if r := whole(t, s, events, waiting); r.Forgotten != 1000-events || r.Head != all.Head {
			t.Errorf("%s: %+v", what, r)
		}
	}
	is("indefinitely", 1000*time.Hour, 0, 1000, 1)
	is("none is too old", time.Minute, time.Minute, 1000, 1)
	is("the first one hundred", time.Minute+100*time.Second, time.Minute, 900, 1)
	is("delivery needs one", 24*time.Hour, time.Minute, 500, 1)
	update(t, s, func(tx store.Tx) error {
		m, err := tx.Work("vt").Mark("t", mark)
		if err != nil {
			return err
		}
		_, err = tx.Work("vt").Settle(m)
		return err
	})
	is("all that are sealed", 24*time.Hour, time.Minute, 0, 1)
	if r := verify(t, s, all.Head); r.Known != 1000 || r.Broken != "" {
		t.Errorf("the head is the anchor now: %+v", r)
	}
	seal(t, s)
	if r := whole(t, s, 1, 0); r.Place != 1001 {
		t.Errorf("%+v", r)
	}
}

// A trail that moved to another store can be verified there, with the same head.
func TestMoved(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	happened(t, s, some(50)...)
	seal(t, s)
	if err := forget(t, s, start.Add(time.Minute+10*time.Second), time.Minute); err != nil {
		t.Fatal(err)
	}
	happened(t, s, some(2)...)
	before := whole(t, s, 40, 2)
	var b bytes.Buffer
	if err := archive.Write(context.Background(), s, &b); err != nil {
		t.Fatal(err)
	}
	other := open(t, filepath.Join(t.TempDir(), "s.db"))
	if err := archive.Read(context.Background(), &b, other); err != nil {
		t.Fatal(err)
	}
	if after := whole(t, other, 40, 2); after.Head != before.Head || after.Forgotten != 10 {
		t.Errorf("%+v after %+v", after, before)
	}
	seal(t, other)
	whole(t, other, 42, 0)
}

// odd has every character that JSON escapes, in an event with all fields of the first version. Its digest must
// not change when fields are added.
func odd() store.Event {
	return store.Event{
		At: start, Type: "user.patch", Actor: "okta", Token: "0a1b2c3d", Request: "r", IdP: "okta", Subject: "u1", Name: "<a&b>\u2028\u2029 é 😀 \x7f",
		Added: []string{"u1", "", "\x00\x01\b\t\n\v\f\r\x1f\"\\/"}, Removed: []string{"gone"}, Before: `{"active":true}`, After: `{"active":false}`,
		Backend: "vt", Target: "t", Account: "a", Role: "r", Causes: []string{"okta/VT Admins"}, Evidence: "200", Detail: "PATCH",
	}
}

// recompute computes the digest of a line as an auditor does, with any JSON library.
func recompute(t *testing.T, line string) (previous, digest string) {
	t.Helper()
	var l struct {
		Previous, Digest string
		Event            map[string]any
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l.Event); err != nil { // keys of a map are written in order
		t.Fatal(err)
	}
	text := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))
	before, err := hex.DecodeString(l.Previous)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(append(before, text...)); hex.EncodeToString(sum[:]) != l.Digest {
		t.Errorf("the digest of\n%s\nis not that of\n%s", line, text)
	}
	return l.Previous, l.Digest
}

func TestExportCanBeRecomputed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	update(t, s, func(tx store.Tx) error {
		return tx.Directory("okta").PutUser(store.User{ID: "u1", UserName: "Ada@example.com"})
	})
	happened(t, s, odd(), store.Event{Type: "grant", IdP: "okta", Initiator: "entra", Name: "n", Reason: "<ticket 7>"}, store.Event{At: time.Time{}.Add(1), Type: "not UTF-8 \xff"})
	seal(t, s)
	happened(t, s, store.Event{Type: "waits"})
	lines := exported(t, s, audit.Filter{})
	if len(lines) != 4 || strings.Contains(lines[3], "digest") || strings.Contains(lines[3], "place") {
		t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	last := strings.Repeat("0", 64)
	for i, l := range lines[:3] {
		previous, digest := recompute(t, l)
		if previous != last || !strings.HasPrefix(l, fmt.Sprintf(`{"place":%d,`, i+1)) {
			t.Errorf("line %d does not follow %s: %s", i, last, l)
		}
		last = digest
	}
	if !strings.Contains(lines[0], `"people":{"u1":"Ada@example.com"}`) || !strings.Contains(lines[0], `"rfc9967":["urn:ietf:params:scim:event:prov:patch:notice"]`) {
		t.Errorf("%s", lines[0])
	}
	const want = `{"account":"a","actor":"okta","added":["u1","","\u0000\u0001\b\t\n\u000b\f\r\u001f\"\\/"],"after":"{\"active\":false}","at":"2026-11-26T12:00:00.123Z","backend":"vt","before":"{\"active\":true}",` +
		`"causes":["okta/VT Admins"],"detail":"PATCH","evidence":"200","idp":"okta","name":"<a&b>` + "\u2028\u2029 é 😀 \x7f" + `","removed":["gone"],"request":"r","role":"r","subject":"u1","target":"t","token":"0a1b2c3d","type":"user.patch"}`
	if !strings.HasSuffix(lines[0], `"event":`+want+"}") {
		t.Errorf("the canonical form changed, and with it every digest:\n got %s\nwant %s", lines[0], want)
	}
	if !strings.Contains(lines[1], `"name":"n","reason":"<ticket 7>","type":"grant"`) {
		t.Errorf("the reason of a decision is missing: %s", lines[1])
	}
	if sum := "2cfaf3821b27"; !strings.Contains(lines[0], `"digest":"`+sum) {
		t.Errorf("the digest changed: %s", lines[0])
	}
}

// The digest covers every field of an event except its number.
func TestEveryFieldCounts(t *testing.T) {
	changes := map[string]func(*store.Event){
		"At": func(e *store.Event) { e.At = e.At.Add(time.Nanosecond) }, "Added": func(e *store.Event) { e.Added[0], e.Added[1] = e.Added[1], e.Added[0] },
		"Removed": func(e *store.Event) { e.Removed = nil }, "Causes": func(e *store.Event) { e.Causes = append(e.Causes, "") },
	}
	base, err := json.Marshal(odd())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(base, &fields); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, name := range append(slices.Sorted(maps.Keys(fields)), "") {
		e := odd()
		if change := changes[name]; change != nil {
			change(&e)
		} else if text, ok := fields[name].(string); ok {
			raw, err := json.Marshal(map[string]string{name: text + "!"})
			if err := errors.Join(err, json.Unmarshal(raw, &e)); err != nil {
				t.Fatal(err)
			}
		} else if name == "Seq" {
			continue
		} else if name != "" {
			t.Fatalf("nothing changes %s", name)
		}
		s := open(t, filepath.Join(t.TempDir(), "s.db"))
		happened(t, s, e)
		seal(t, s)
		head := verify(t, s, "").Head
		if other, taken := seen[head]; taken {
			t.Errorf("%q makes no difference to %q", name, other)
		}
		seen[head] = name
	}
}

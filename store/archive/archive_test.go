package archive_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/postgres"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
	"github.com/scimbridge/scimbridge/store/record"
	"github.com/scimbridge/scimbridge/store/storetest"
)

func open(t testing.TB) store.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func filled(t *testing.T) store.Store {
	t.Helper()
	s := open(t)
	at := time.Date(2026, 11, 24, 12, 0, 0, 5, time.UTC)
	err := s.Update(context.Background(), func(tx store.Tx) error {
		var errs []error
		for _, idp := range []string{"okta", "entra"} {
			d := tx.Directory(idp)
			for i := range 700 {
				errs = append(errs, d.PutUser(store.User{ID: fmt.Sprint("u", i), UserName: fmt.Sprintf("u%d@example.com", i), Emails: []string{fmt.Sprintf("u%d@example.com", i)},
					Active: i%3 > 0, Attributes: []byte(`{"a":"ü\u2028"}`), Version: uint64(i + 1), Created: at, Modified: at.Add(time.Duration(i))}))
			}
			var all []string
			for i := range 2500 {
				all = append(all, fmt.Sprint("u", i))
			}
			for _, g := range []string{"g", "h", "empty"} {
				errs = append(errs, d.PutGroup(store.Group{ID: g, DisplayName: g, Attributes: []byte(`{}`), Version: 3, Created: at, Modified: at}))
			}
			for g, members := range map[string][]string{"g": all, "h": {"u5", "g", "stranger\x00"}} {
				added, err := d.AddMembers(g, members...)
				errs = append(errs, err)
				_, err = tx.Events().Append(store.Event{At: at, Type: "group.members", IdP: idp, Subject: g, Added: added, Causes: []string{"c"}, Before: "{}"})
				errs = append(errs, err)
			}
		}
		l, a := tx.Ledger("vt"), tx.Accounts("vt")
		errs = append(errs,
			l.PutEntry(store.Entry{Target: "t", Account: "a", Role: "r", Key: "k", State: store.Present, Wanted: true, Attempt: 40, Doubt: at, Hold: "vt-3", Why: "max_removals", HeldSince: at, MaybeGone: true}),
			a.PutLink(store.Link{IdP: "okta", User: "gone", Key: "k", Account: "a", Seen: at}),
			tx.Accounts("observed").PutLink(store.Link{IdP: "okta", User: "u1", Key: "k", Account: "b", Seen: at}),
			tx.SetSetting("binary", []byte{0, 1, 255}),
			record.Put(tx, record.Invitation{Backend: "vt", Listing: "t", Key: "a@example.com", At: time.Unix(5, 6).UTC(), Expires: time.Unix(7, 0).UTC()}), record.Put(tx, record.PutOmission{IdP: "okta", Count: 3}), tx.SetSetting("empty", []byte{}), tx.SetSetting("mapping/vt", []byte("x")), tx.SetSetting(store.Private+"key", []byte("canary-of-a-key")))
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(context.Background(), func(tx store.Tx) error { // of four events one is forgotten, two are sealed
		place := uint64(0)
		var errs []error
		for e, err := range tx.Events().Unsealed() {
			if place++; place == 4 {
				break
			}
			errs = append(errs, err, tx.Events().Seal(store.Seal{Place: place, Event: e.Seq, Digest: [32]byte{byte(place)}}))
		}
		_, err := tx.Events().Forget(1)
		return errors.Join(append(errs, err)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func export(t *testing.T, s store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Write(context.Background(), s, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Private settings are not exported, and not imported if an export has them.
func TestPrivateSettingsStay(t *testing.T) {
	raw := export(t, filled(t))
	if bytes.Contains(raw, []byte(store.Private)) || bytes.Contains(raw, []byte(base64.StdEncoding.EncodeToString([]byte("canary-of-a-key")))) {
		t.Error("a private setting is exported")
	}
	planted := strings.Replace(string(raw), `"name":"binary"`, `"name":"`+store.Private+`key"`, 1)
	if planted == string(raw) {
		t.Fatal("there is nothing to replace")
	}
	s := open(t)
	if err := archive.Read(context.Background(), strings.NewReader(planted), s); err != nil {
		t.Fatal(err)
	}
	if err := s.View(context.Background(), func(tx store.Tx) error {
		if tx.Setting(store.Private+"key") != nil {
			t.Error("a private setting is imported")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestExportAndImport(t *testing.T) {
	s := open(t)
	readAgain(t, s)
	storetest.Check(t, s)
}

// TestFromBoltToPostgres moves a store from a file to a database.
func TestFromBoltToPostgres(t *testing.T) {
	s, err := postgres.Open(context.Background(), postgrestest.Database(t), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	readAgain(t, s)
}

// content returns the lines of an export, with members one by one in a fixed order, because their order in a
// store is undefined.
func content(export string) (lines, members []string) {
	for line := range strings.Lines(export) {
		head, list, ok := strings.Cut(line, `"members":[`)
		if !ok {
			lines = append(lines, line)
			continue
		}
		for one := range strings.SplitSeq(strings.TrimRight(list, "]}\n"), ",") {
			members = append(members, head+one)
		}
	}
	slices.Sort(members)
	return lines, members
}

// readAgain imports an export of bolt into a store, whose export must be the same.
func readAgain(t *testing.T, s store.Store) {
	first := export(t, filled(t))
	if !bytes.Contains(first, []byte(`"backend":"observed"`)) {
		t.Error("links of a backend without a ledger are missing")
	}
	if err := archive.Read(context.Background(), bytes.NewReader(first), s); err != nil {
		t.Fatal(err)
	}
	lines, members := content(strings.ReplaceAll(string(first), `"setting":3`, `"setting":2`))
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, `"mapping/`) }) // which is delivered again
	gotLines, gotMembers := content(string(export(t, s)))
	if !slices.Equal(gotLines, lines) || !slices.Equal(gotMembers, members) {
		t.Errorf("it is not the same: %d lines and %d members, want %d and %d", len(gotLines), len(gotMembers), len(lines), len(members))
	}
	err := s.Update(context.Background(), func(tx store.Tx) error {
		n, err := tx.Ledger("vt").NextAttempt()
		if n <= 40 {
			t.Errorf("the number %d is given again", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A cut or altered export is refused, also if only its last line is missing.
func TestIncompleteExport(t *testing.T) {
	whole := export(t, filled(t))
	lines := bytes.SplitAfter(whole, []byte("\n"))
	rnd := rand.New(rand.NewPCG(1, 2))
	bad := map[string][]byte{
		"empty": nil, "not json": []byte("hello\n"), "without its head": bytes.Join(lines[1:], nil), "another format": bytes.Replace(whole, []byte(`"format":2`), []byte(`"format":9`), 1),
		"of no kind": append(bytes.Clone(lines[0]), []byte("{\"kind\":\"x\"}\n")...), "without what it is about": append(bytes.Clone(lines[0]), []byte("{\"kind\":\"user\"}\n")...),
		"a line short": bytes.Join(append(append([][]byte{}, lines[:10]...), lines[11:]...), nil),
	}
	for range 10 {
		n := rnd.IntN(len(whole) - 10)
		bad[fmt.Sprint("cut at ", n)] = whole[:n]
	}
	for name, b := range bad {
		if err := archive.Read(context.Background(), bytes.NewReader(b), open(t)); !errors.Is(err, archive.ErrBad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// counting is a store that counts the users read in one directory.
type counting struct {
	store.Store
	read *int
}

func (c counting) View(ctx context.Context, fn func(tx store.Tx) error) error {
	return c.Store.View(ctx, func(tx store.Tx) error { return fn(countingTx{tx, c.read}) })
}

type countingTx struct {
	store.Tx
	read *int
}

func (c countingTx) Directory(idp string) store.Directory {
	return countingDirectory{c.Tx.Directory(idp), c.read}
}

type countingDirectory struct {
	store.Directory
	read *int
}

func (c countingDirectory) Users(from store.From) iter.Seq2[store.User, error] {
	return func(yield func(store.User, error) bool) {
		for u, err := range c.Directory.Users(from) {
			if *c.read++; !yield(u, err) {
				return
			}
		}
	}
}

// gone is a client that has disconnected.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// An export ends soon after its client has disconnected.
func TestExportToAGoneClient(t *testing.T) {
	read := 0
	if err := archive.Write(context.Background(), counting{filled(t), &read}, gone{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write: %v", err)
	}
	if read == 0 || read > 100 {
		t.Errorf("%d users were read, want an early end", read)
	}
}

// A large number of an attempt is skipped to at once; an impossible one is refused.
func TestNumbersOfAttemptsAreSkipped(t *testing.T) {
	export := func(attempt string) []byte {
		return []byte(`{"kind":"scimbridge","format":1}` + "\n" + `{"kind":"entry","backend":"vt","entry":{"Target":"t","Account":"a","Role":"r","Attempt":` + attempt + `}}` + "\n" + `{"kind":"end"}` + "\n")
	}
	s := open(t)
	if err := archive.Read(context.Background(), bytes.NewReader(export("1000000000000")), s); err != nil {
		t.Fatal(err)
	}
	err := s.Update(context.Background(), func(tx store.Tx) error {
		n, err := tx.Ledger("vt").NextAttempt()
		if n != 1_000_000_000_001 {
			t.Errorf("the next attempt has the number %d", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := archive.Read(context.Background(), bytes.NewReader(export("18446744073709551615")), open(t)); !errors.Is(err, archive.ErrBad) {
		t.Errorf("a number of all ones: %v", err)
	}
}

// An export of format 1 has settings instead of typed tables.
func TestFormatBefore(t *testing.T) {
	s := open(t)
	lines := []string{`{"kind":"scimbridge","format":1}`,
		`{"kind":"setting","name":"stays/vt/a","value":"` + base64.StdEncoding.EncodeToString([]byte("vt-1")) + `"}`,
		`{"kind":"setting","name":"token/okta/0123","value":"` + base64.StdEncoding.EncodeToString([]byte("2026-01-02T03:04:05Z")) + `"}`,
		`{"kind":"end"}`}
	if err := archive.Read(context.Background(), strings.NewReader(strings.Join(lines, "\n")), s); err != nil {
		t.Fatal(err)
	}
	err := s.View(context.Background(), func(tx store.Tx) error {
		kept, _, err := record.Get(tx, record.Retained{Backend: "vt", Account: "a"})
		if err != nil || kept.Hold != "vt-1" {
			t.Errorf("an account that stays: %+v, %v", kept, err)
		}
		c, _, err := record.Get(tx, record.Credential{IdP: "okta", Token: "0123"})
		if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); c.Since != want {
			t.Errorf("a token: %+v", c)
		}
		for name := range tx.Settings() {
			t.Errorf("the setting %s is left", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

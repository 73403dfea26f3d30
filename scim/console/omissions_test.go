package console

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/record"
)

// puts are PUTs by the clock of a test, against one store.
type puts struct {
	t      *testing.T
	store  store.Store
	of     *Omissions
	at     time.Time
	warned []string
	writes int
}

// countedWrites is a transaction in which writes of records are counted.
type countedWrites struct {
	store.Tx
	writes *int
}

func (c countedWrites) Records() record.Records { return countedRecords{c.Tx.Records(), c.writes} }

type countedRecords struct {
	record.Records
	writes *int
}

func (c countedRecords) Write(r record.Record) error {
	*c.writes++
	return c.Records.Write(r)
}

func newPuts(t *testing.T) *puts {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &puts{t: t, store: s, at: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	p.start()
	return p
}

// start is another process over the same store.
func (p *puts) start() {
	p.of = &Omissions{Keeps: func(idp string) bool { return idp != "clears" },
		Warn: func(idp, key string, times int64) { p.warned = append(p.warned, fmt.Sprint(idp, " ", key, " ", times)) }}
}

var errWanted = errors.New("wanted")

// put makes one, whose transaction may fail.
func (p *puts) put(idp string, omitted bool, fails error) {
	p.t.Helper()
	var committed func()
	err := p.store.Update(p.t.Context(), func(tx store.Tx) (err error) {
		committed, err = p.of.Put(countedWrites{tx, &p.writes}, idp, omitted, p.at)
		return errors.Join(err, fails)
	})
	if !errors.Is(err, fails) {
		p.t.Fatal(err)
	}
	if err == nil && committed != nil {
		committed()
	}
}

func (p *puts) status(idp string) (s *OmissionStatus) {
	p.t.Helper()
	err := p.store.View(p.t.Context(), func(tx store.Tx) error {
		s = p.of.status(tx, idp)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func TestOmissions(t *testing.T) {
	t.Run("of a client that never sends members", func(t *testing.T) {
		p := newPuts(t)
		p.put("okta", true, nil)
		p.put("entra", false, nil) // another one does
		p.put("okta", true, nil)
		if s := p.status("okta"); s != nil || len(p.warned) > 0 || p.writes != 1 {
			t.Errorf("%+v, warned %v, %d writes", s, p.warned, p.writes)
		}
	})
	t.Run("are counted, and written once an hour", func(t *testing.T) {
		p := newPuts(t)
		first := p.at.Add(time.Minute)
		for range 3 {
			p.put("okta", false, nil)
		}
		for range 150 {
			p.at = p.at.Add(time.Minute)
			p.put("okta", true, nil)
		}
		s := p.status("okta")
		if s == nil || s.Count != 150 || !s.First.Equal(first) || s.Key != "identity_providers.okta.put_without_members" {
			t.Errorf("%+v", s)
		}
		if p.writes != 4 || fmt.Sprint(p.warned) != "[okta identity_providers.okta.put_without_members 1 okta identity_providers.okta.put_without_members 61 okta identity_providers.okta.put_without_members 121]" {
			t.Errorf("%d writes, warned %v", p.writes, p.warned)
		}
	})
	t.Run("survive a restart", func(t *testing.T) {
		p := newPuts(t)
		p.put("okta", false, nil)
		p.start()
		p.put("okta", true, nil)
		p.start()
		if s := p.status("okta"); s == nil || s.Count != 1 {
			t.Errorf("%+v", s)
		}
		p.put("okta", false, nil) // is known already
		if p.writes != 2 {
			t.Errorf("%d writes", p.writes)
		}
	})
	t.Run("of a transaction that fails are none", func(t *testing.T) {
		p := newPuts(t)
		p.put("okta", false, errWanted)
		p.put("okta", true, nil)
		if s := p.status("okta"); s != nil {
			t.Errorf("%+v", s)
		}
		p.put("okta", false, nil)
		p.put("okta", true, errWanted)
		if s := p.status("okta"); s != nil || len(p.warned) > 0 {
			t.Errorf("%+v %v", s, p.warned)
		}
		p.put("okta", true, nil)
		if s := p.status("okta"); s == nil || s.Count != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("are over once the key says clear", func(t *testing.T) {
		p := newPuts(t)
		p.put("clears", false, nil)
		p.put("clears", true, nil)
		if s := p.status("clears"); s != nil {
			t.Errorf("%+v", s)
		}
	})
	t.Run("go on when the clock was set back", func(t *testing.T) {
		p := newPuts(t)
		p.put("okta", false, nil)
		p.put("okta", true, nil)
		p.at = p.at.Add(-48 * time.Hour)
		p.put("okta", true, nil)
		if s := p.status("okta"); s == nil || s.Count != 2 || !s.Last.Equal(p.at) {
			t.Errorf("%+v", s)
		}
	})
}

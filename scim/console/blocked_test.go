package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// block parks marks of a backend as blocked: the target, the subject and the reason of each.
func block(t *testing.T, s store.Store, marks ...store.Mark) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		w := tx.Work("vt")
		for _, m := range marks {
			if err := w.Touch(m.Target, time.Now(), store.Origin{}, m.Subject); err != nil {
				return err
			}
			now, err := w.Mark(m.Target, m.Subject)
			if err != nil {
				return err
			}
			now.State, now.Reason = store.Blocked, m.Reason
			if _, err := w.Park(now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBlockedUsersAreCountedOnce: an account counts once for all targets, directories and reasons.
func TestBlockedUsersAreCountedOnce(t *testing.T) {
	c, server := newConsole(t)
	ada, adaToo, bob := store.Subject{IdP: "okta", User: "ada"}, store.Subject{IdP: "entra", User: "ada-too"}, store.Subject{IdP: "okta", User: "bob"}
	err := c.Store.Update(t.Context(), func(tx store.Tx) error {
		for _, s := range []store.Subject{ada, adaToo} {
			if err := tx.Accounts("vt").PutLink(store.Link{IdP: s.IdP, User: s.User, Account: "account-1"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	block(t, c.Store,
		store.Mark{Target: "acme", Subject: ada, Reason: "rejected"}, store.Mark{Target: "beta", Subject: ada, Reason: "rejected"},
		store.Mark{Target: "acme", Subject: adaToo, Reason: "rejected"}, store.Mark{Target: "gamma", Subject: store.Subject{Account: "account-1"}, Reason: "rejected"},
		store.Mark{Target: "delta", Subject: ada, Reason: "no_target"},
		store.Mark{Target: "acme", Subject: bob, Reason: "no_account"}, store.Mark{Target: "beta", Subject: bob, Reason: "no_account"},
		store.Mark{Target: "delta", Subject: store.Subject{Account: store.TargetSettings}, Reason: "no_target"},
		store.Mark{Target: "epsilon", Subject: store.Subject{Account: store.TargetSettings}, Reason: "no_target"})
	_, body, _ := get(t, server.URL+"/metrics")
	for reason, n := range map[string]int{"rejected": 1, "no_account": 1, "no_target": 3} { // of the targets themselves each is one
		if m := fmt.Sprintf(`scimbridge_blocked_users{backend="vt",reason=%q} %d`, reason, n); !strings.Contains(body, m+"\n") {
			t.Errorf("no %s", m)
		}
	}
	w := httptest.NewRecorder()
	c.status(w, httptest.NewRequestWithContext(t.Context(), "GET", "/api/status", nil))
	var s Status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || len(s.Backends) != 2 {
		t.Fatal(w.Body, err)
	}
	if vt := s.Backends[0]; vt.BlockedUsers != 4 || vt.Blocked["rejected"] != 1 || vt.Blocked["no_target"] != 3 || !vt.NeedsOperator() {
		t.Errorf("%+v", vt)
	}
}

// unread is a store whose marks, entries and links must not be listed.
type unread struct {
	store.Store
	t *testing.T
}

func (s unread) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(unreadTx{tx, s.t}) })
}

type unreadTx struct {
	store.Tx
	t *testing.T
}

func (x unreadTx) Work(backend string) store.Work { return unreadWork{x.Tx.Work(backend), x.t} }

type unreadWork struct {
	store.Work
	t *testing.T
}

func (w unreadWork) Marks(string) iter.Seq2[store.Mark, error] {
	w.t.Error("marks are listed")
	return func(func(store.Mark, error) bool) {}
}

func (x unreadTx) Ledger(backend string) store.Ledger { return unreadLedger{x.Tx.Ledger(backend), x.t} }

type unreadLedger struct {
	store.Ledger
	t *testing.T
}

func (l unreadLedger) Entries(string, string) iter.Seq2[store.Entry, error] {
	l.t.Error("entries are listed")
	return func(func(store.Entry, error) bool) {}
}

func (x unreadTx) Accounts(backend string) store.Accounts {
	return unreadAccounts{x.Tx.Accounts(backend), x.t}
}

type unreadAccounts struct {
	store.Accounts
	t *testing.T
}

func (a unreadAccounts) Link(idp, user string) (store.Link, error) {
	a.t.Error("a link is read")
	return a.Accounts.Link(idp, user)
}

// fillHeld blocks as many users, and holds as many grants.
func fillHeld(t testing.TB, s store.Store, n int) {
	t.Helper()
	const part = 1000
	for from := 0; from < n; from += part {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := from; i < min(n, from+part); i++ {
				who := store.Subject{IdP: "okta", User: fmt.Sprint("user-", i)}
				account := fmt.Sprint("account-", i/2) // two users each
				w := tx.Work("vt")
				if err := errors.Join(tx.Accounts("vt").PutLink(store.Link{IdP: "okta", User: who.User, Account: account}),
					w.Touch("acme", time.Unix(int64(i), 0), store.Origin{}, who)); err != nil {
					return err
				}
				m, err := w.Mark("acme", who)
				if err != nil {
					return err
				}
				m.State, m.Reason = store.Blocked, "no_account"
				if _, err := w.Park(m); err != nil {
					return err
				}
				e := store.Entry{Target: "acme", Account: fmt.Sprint("held-", i), Role: "r", State: store.Present, Hold: "vt-1", Why: plan.Offboardings}
				if err := tx.Ledger("vt").PutEntry(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Neither metrics nor status read what they count.
func TestGaugesReadTallies(t *testing.T) {
	c, _ := newConsole(t)
	const n = 60
	fillHeld(t, c.Store, n)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&workCollector{store: unread{c.Store, t}, backends: []string{"vt"}})
	if _, err := registry.Gather(); err != nil {
		t.Fatal(err)
	}
	err := unread{c.Store, t}.View(t.Context(), func(tx store.Tx) error {
		s, err := c.Backends[0].status(tx)
		if s.BlockedUsers != n/2 || s.Blocked["no_account"] != n/2 || s.Held != n || len(s.OverLimit[plan.Offboardings]) != 1 {
			t.Errorf("%+v", s)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkStatus takes the gauges and the status of a store with 1,000 and one with 100,000 blocked users and held grants in turn.
func BenchmarkStatus(b *testing.B) {
	var stores [2]store.Store
	var took [2][]time.Duration
	for i, n := range []int{1000, 100_000} {
		s, err := bolt.Open(filepath.Join(b.TempDir(), "store.db"), bolt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		stores[i] = s
		fillHeld(b, s, n)
	}
	for b.Loop() {
		for i, s := range stores {
			start := time.Now()
			err := s.View(b.Context(), func(tx store.Tx) error {
				_, err := backendGauges(tx, "vt")
				_, err2 := Backend{Name: "vt", Engine: &engine{}}.status(tx)
				return errors.Join(err, err2)
			})
			if err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	median := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/2]) }
	b.ReportMetric(median(took[0]), "ns/of-1000")
	b.ReportMetric(median(took[1]), "ns/of-100000")
	b.ReportMetric(median(took[1])/median(took[0]), "ratio")
}

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/store"
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

// Somebody who is blocked is one person, however many targets, directories and reasons.
func TestBlockedPeopleAreCountedOnce(t *testing.T) {
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
	if vt := s.Backends[0]; vt.BlockedUsers != 4 || vt.Blocked["rejected"] != 1 || vt.Blocked["no_target"] != 3 || !vt.NeedsSomebody() {
		t.Errorf("%+v", vt)
	}
}

// counting is a store that counts how often a single link is looked up: with PostgreSQL each time is a round trip.
type counting struct {
	store.Store
	links *int
}

func (s counting) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(countingTx{tx, s.links}) })
}

type countingTx struct {
	store.Tx
	links *int
}

func (t countingTx) Accounts(backend string) store.Accounts {
	return countingAccounts{t.Tx.Accounts(backend), t.links}
}

type countingAccounts struct {
	store.Accounts
	links *int
}

func (a countingAccounts) Link(idp, user string) (store.Link, error) {
	*a.links++
	return a.Accounts.Link(idp, user)
}

// However many are blocked, few are looked up one by one, and each is one person all the same.
func TestManyBlockedPeopleAreNotLookedUpOneByOne(t *testing.T) {
	for _, n := range []int{manyUsers / 2, manyUsers/2 + 1, 2 * manyUsers} {
		c, _ := newConsole(t)
		links := 0
		c.Store = counting{c.Store, &links}
		var marks []store.Mark
		err := c.Store.Update(t.Context(), func(tx store.Tx) error {
			marks = nil
			for i := range n {
				for _, idp := range []string{"entra", "okta"} {
					who := store.Subject{IdP: idp, User: fmt.Sprint(idp, i)}
					marks = append(marks, store.Mark{Target: "acme", Subject: who, Reason: "no_target"}, store.Mark{Target: "beta", Subject: who, Reason: "no_target"})
					if i == 0 { // of whom the backend knows nothing: two, as far as we know
						continue
					}
					if err := tx.Accounts("vt").PutLink(store.Link{IdP: idp, User: who.User, Account: fmt.Sprint(i)}); err != nil {
						return err
					}
				}
			}
			return tx.Accounts("vt").PutLink(store.Link{IdP: "okta", User: "another", Account: "another"})
		})
		if err != nil {
			t.Fatal(err)
		}
		block(t, c.Store, marks...)
		err = c.Store.View(t.Context(), func(tx store.Tx) error {
			s, err := c.Backends[0].status(tx)
			if s.BlockedUsers != n+1 || s.Blocked["no_target"] != n+1 {
				t.Errorf("of %d: %+v", n, s)
			}
			if err != nil {
				return err
			}
			taken, err := (&workCollector{now: time.Now}).census(tx, "vt", len(marks), 0)
			if taken.blocked["no_target"] != n+1 {
				t.Errorf("of %d: %+v", n, taken)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if links > 2*manyUsers { // status and metrics
			t.Errorf("%d are looked up of %d", links, n)
		}
	}
}

// What takes long to count is not counted anew at every scrape; that there is nothing any more is seen at once.
func TestManyAreNotCountedAtEveryScrape(t *testing.T) {
	c, _ := newConsole(t)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	collector := &workCollector{store: c.Store, backends: []string{"vt"}, many: 3, now: func() time.Time { return now }}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector)
	blocked := func(want float64, when string) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := 0.0
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == "scimbridge_blocked_users" {
					got += m.Gauge.GetValue()
				}
			}
		}
		if got != want {
			t.Errorf("%s: %v blocked, want %v", when, got, want)
		}
	}
	person := func(n int) store.Mark {
		return store.Mark{Target: "acme", Subject: store.Subject{IdP: "okta", User: fmt.Sprint(n)}, Reason: "rejected"}
	}
	block(t, c.Store, person(1), person(2))
	blocked(2, "a few")
	block(t, c.Store, person(3), person(4))
	blocked(4, "a few before: counted at once")
	block(t, c.Store, person(5))
	blocked(4, "many before: the count stays for a while")
	now = now.Add(countAgain)
	blocked(5, "later")
	err := c.Store.Update(t.Context(), func(tx store.Tx) error {
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil {
				return err
			}
			if _, err := tx.Work("vt").Settle(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	blocked(0, "nobody any more")
}

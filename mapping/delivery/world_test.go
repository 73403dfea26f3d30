package delivery_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// world is a store, a vendor and a worker with a clock of their own.
type world struct {
	t      *testing.T
	clock  time.Time
	store  store.Store
	vendor *vendor
	worker *delivery.Worker
	desk   *desk.Desk
	rules  *mapping.Rules
	config func(configured)
	asks   string // the request as which the directory is changed from now on
	heard  uint64 // see expectAsked
}

func newWorld(t *testing.T, rules ...mapping.Rule) *world {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "w.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), store: s}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.vendor = &vendor{t: t, now: w.now, people: map[string]string{}, holds: map[string]map[string]bool{}, refuse: map[string]bool{}, gone: map[string]bool{}}
	w.remap(rules...)
	w.restart()
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) remap(rules ...mapping.Rule) {
	w.t.Helper()
	r, err := mapping.Compile(rules)
	if err != nil {
		w.t.Fatal(err)
	}
	w.rules = r
}

// settable starts a worker whose clock can be set: by how much it is wrong.
func (w *world) settable() *time.Duration {
	began, set := w.clock, new(time.Duration)
	w.config = func(d configured) {
		d.Now = func() time.Time { return w.clock.Add(*set) }
		d.Steady = func() time.Duration { return w.clock.Sub(began) }
	}
	w.restart()
	return set
}

// restart begins a new worker on the same store, as a new process would, and lets it do its first round.
func (w *world) restart() {
	w.t.Helper()
	brakes := usualBrakes()
	w.worker = &delivery.Worker{
		Name: "vt", Store: w.store, Backend: w.vendor, Policy: func() view.Policy { return view.Policy{Rules: w.rules, Brakes: brakes} },
		Targets: 1, RetryInitial: time.Second, RetryMax: 5 * time.Minute,
		CallTimeout: 30 * time.Second,
		Now:         w.now, Jitter: func() float64 { return 0 }, Log: canary.Log(w.t),
		Settings: view.Settings{BatchSize: 25, BatchWait: time.Second, Straggler: 75 * time.Second},
	}
	if w.config != nil {
		w.config(configured{w.worker, &brakes})
	}
	w.worker.Init()
	w.desk = deskOf(w.worker)
	if _, err := w.worker.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// update changes the directory as the SCIM edge does, and marks the user on the targets of the groups.
func (w *world) update(fn func(tx store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) user(idp, id, email string, active bool) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		u := store.User{ID: id, UserName: email, Emails: []string{email}, Active: active, Attributes: []byte(`{}`), Created: w.clock, Modified: w.clock}
		if old, err := tx.Directory(idp).User(id); err == nil {
			u.Original = originalOf(old, email)
		}
		if err := tx.Directory(idp).PutUser(u); err != nil {
			return err
		}
		for g, err := range tx.Directory(idp).GroupsOf(id) {
			if err != nil {
				return err
			}
			w.touch(tx, idp, id, g.DisplayName)
		}
		return nil
	})
}

// originalOf is what package scim keeps of a user whose address changes.
func originalOf(old store.User, email string) []string {
	if old.Original != nil || old.Emails[0] == email {
		return old.Original
	}
	return []string{old.UserName, old.Emails[0], old.ExternalID}
}

// by is who asked; zero if no test cares.
func (w *world) by(idp string) store.Origin {
	if w.asks == "" {
		return store.Origin{}
	}
	return store.Origin{Initiator: idp, Token: "t1", Request: w.asks, At: w.clock}
}

func (w *world) touch(tx store.Tx, idp, user, group string) {
	by := w.by(idp)
	by.Groups = idp + "/" + group
	for _, t := range w.rules.Targets(idp, store.Group{DisplayName: group}) {
		if err := tx.Work(t.Backend).Touch(t.Target, w.clock, by, store.Subject{IdP: idp, User: user}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// deactivate is what scim does for a person who leaves: before everything else.
func (w *world) deactivate(idp, id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		u, err := tx.Directory(idp).User(id)
		if err != nil {
			return err
		}
		u.Active = false
		if err := tx.Directory(idp).PutUser(u); err != nil {
			return err
		}
		for g, err := range tx.Directory(idp).GroupsOf(id) {
			if err != nil {
				return err
			}
			for _, t := range w.rules.Targets(idp, g) {
				if err := tx.Work(t.Backend).TouchUrgent(t.Target, w.clock, w.by(idp), store.Subject{IdP: idp, User: id}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *world) group(idp, name string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		return tx.Directory(idp).PutGroup(store.Group{ID: name, DisplayName: name, Attributes: []byte(`{}`), Created: w.clock, Modified: w.clock})
	})
}

func (w *world) join(idp, user, group string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		if _, err := tx.Directory(idp).AddMembers(group, user); err != nil {
			return err
		}
		w.touch(tx, idp, user, group)
		return nil
	})
}

func (w *world) leave(idp, user, group string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		if _, err := tx.Directory(idp).RemoveMembers(group, user); err != nil {
			return err
		}
		w.touch(tx, idp, user, group)
		return nil
	})
}

// pass lets time go by and the worker do what is due, until it has nothing to do before the end.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.clock.Add(d)
	for range 10_000 {
		next, err := w.worker.RunOnce(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if next.IsZero() || next.After(end) {
			w.clock = end
			return
		}
		if next.After(w.clock) {
			w.clock = next
		}
	}
	w.t.Fatal("the worker never comes to rest")
}

func (w *world) resync() {
	w.t.Helper()
	if err := w.desk.Resync(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// roles returns what the vendor holds, as "target/account=R,S", sorted.
func (w *world) roles() string {
	var out []string
	for at, roles := range w.vendor.holds {
		if len(roles) > 0 {
			out = append(out, at+"="+strings.Join(slices.Sorted(maps.Keys(roles)), ","))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// calls returns and forgets the calls that changed something.
func (w *world) calls() []string {
	var out []string
	for _, c := range w.vendor.calls {
		if c != "list" && !strings.HasPrefix(c, "read ") {
			out = append(out, c)
		}
	}
	w.vendor.calls = nil
	return out
}

func (w *world) counts() string {
	w.t.Helper()
	var out string
	err := w.store.View(w.t.Context(), func(tx store.Tx) error {
		p, b, h := tx.Work("vt").Counts()
		out = fmt.Sprintf("pending %d, blocked %d, held %d", p, b, h)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) expect(roles string) {
	w.t.Helper()
	if got := w.roles(); got != roles {
		w.t.Errorf("the vendor holds %q, want %q (calls: %q)", got, roles, w.vendor.calls)
	}
}

func (w *world) expectCalls(want ...string) {
	w.t.Helper()
	if got := w.calls(); !slices.Equal(got, want) {
		w.t.Errorf("calls %q, want %q", got, want)
	}
}

func (w *world) expectCounts(want string) {
	w.t.Helper()
	if got := w.counts(); got != want {
		w.t.Errorf("%s, want %s", got, want)
	}
}

// inMemory is a folder for a store whose commits wait for no disk, where the machine has one.
func inMemory(t *testing.T) string {
	shm, err := os.MkdirTemp("/dev/shm", "scimbridge") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	return shm
}

// deskOf returns what answers the operators of a worker's backend.
func deskOf(w *delivery.Worker) *desk.Desk {
	v := view.NewView(w.Name, w.Settings, w.Backend.Traits)
	v.InForce, v.Clock, v.Standby, v.Where = w.Policy, w.Clock, w.StandsBy, w.View.Where
	return &desk.Desk{View: v, Store: w.Store, Nudge: w.Nudge, Log: w.Log}
}

// configured is a worker and its brakes before they are used.
type configured struct {
	*delivery.Worker
	*view.Brakes
}

// usualBrakes are those of most tests: the defaults of a configuration.
func usualBrakes() view.Brakes {
	return view.Brakes{Mode: view.Sync, MaxRemovals: view.Limit{Count: 10, Percent: 20, Window: time.Hour}, MaxOffboardings: view.Limit{Count: 100, Percent: 30, Window: time.Hour}}
}

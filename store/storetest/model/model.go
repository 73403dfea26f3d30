package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// seedVariable overrides the seed of Run, to repeat a run that failed.
const seedVariable = "SCIMBRIDGE_SEED"

// modelRounds is the number of Updates in a run, each with a few changes.
const modelRounds = 250

// Run applies random changes to a store and to plain maps and compares all contents, again and again. open
// opens the same store each time, because Run sometimes closes and reopens it. A failure prints the seed.
func Run(t *testing.T, open func() (store.Store, error), seed uint64) {
	if v := os.Getenv(seedVariable); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seed = n
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() }) // it may be closed already
	base := newModel()
	for round := range modelRounds {
		if t.Failed() {
			return
		}
		ops := make([]op, 1+r.IntN(8))
		for i := range ops {
			ops[i] = randomOp(r)
		}
		fails := r.IntN(6) == 0
		var next *model
		err := s.Update(t.Context(), func(tx store.Tx) error {
			next = base.clone()
			for _, o := range ops {
				if err := o(tx, next); err != nil {
					return fmt.Errorf("round %d: %w", round, err)
				}
			}
			if fails {
				return storetest.ErrWanted
			}
			return nil
		})
		switch {
		case fails && errors.Is(err, storetest.ErrWanted):
		case err != nil:
			t.Fatalf("update: %v", err)
		default:
			base = next
		}
		if round%10 == 9 {
			storetest.View(t, s, func(tx store.Tx) error { return base.compare(t, tx) })
			storetest.Check(t, s)
		}
		if round%50 == 49 {
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			if s, err = open(); err != nil {
				t.Fatalf("open again: %v", err)
			}
			storetest.View(t, s, func(tx store.Tx) error { return base.compare(t, tx) })
		}
	}
}

func modelBackends() []string { return []string{"vt", "lg"} }

// named returns one of few names, so that changes collide.
func named(r *rand.Rand, prefix string, n int) string { return prefix + strconv.Itoa(r.IntN(n)) }

type markID struct {
	backend, target string
	subject         store.Subject
}

type entryID struct{ backend, target, account, role string }

type triple [3]string

// modelDir is a directory in maps. The orders hold ids by creation.
type modelDir struct {
	users                 map[string]store.User
	groups                map[string]store.Group
	userOrder, groupOrder []string
	members               map[string]map[string]bool // group, value
}

type model struct {
	dirs     map[string]*modelDir
	marks    map[markID]store.Mark
	entries  map[entryID]store.Entry
	links    map[triple]store.Link
	cached   map[triple]store.CachedAccount
	settings map[string]string
	removals map[entryID]record.Removal // by backend, target, account, kind
	events   []store.Event
	seals    []store.Seal // of the first events
	anchor   store.Seal
	seq      uint64
	attempt  uint64
}

func newModel() *model {
	return &model{
		dirs: map[string]*modelDir{}, marks: map[markID]store.Mark{}, entries: map[entryID]store.Entry{},
		links: map[triple]store.Link{}, cached: map[triple]store.CachedAccount{}, settings: map[string]string{}, removals: map[entryID]record.Removal{},
	}
}

func (m *model) clone() *model {
	c := *m
	c.dirs = map[string]*modelDir{}
	for idp, d := range m.dirs {
		n := &modelDir{maps.Clone(d.users), maps.Clone(d.groups), slices.Clone(d.userOrder), slices.Clone(d.groupOrder), map[string]map[string]bool{}}
		for g, ms := range d.members {
			n.members[g] = maps.Clone(ms)
		}
		c.dirs[idp] = n
	}
	c.marks, c.entries, c.links = maps.Clone(m.marks), maps.Clone(m.entries), maps.Clone(m.links)
	c.cached, c.settings, c.events = maps.Clone(m.cached), maps.Clone(m.settings), slices.Clone(m.events)
	c.seals, c.removals = slices.Clone(m.seals), maps.Clone(m.removals)
	return &c
}

func (m *model) dir(idp string) *modelDir {
	if m.dirs[idp] == nil {
		m.dirs[idp] = &modelDir{users: map[string]store.User{}, groups: map[string]store.Group{}, members: map[string]map[string]bool{}}
	}
	return m.dirs[idp]
}

// compare reports the differences of the store.
func (m *model) compare(t *testing.T, tx store.Tx) error {
	t.Helper()
	for idp, md := range m.dirs {
		if err := md.compare(t, idp, tx.Directory(idp)); err != nil {
			return err
		}
	}
	for _, idp := range tx.IdPs() {
		if m.dirs[idp] == nil {
			t.Errorf("the model has no directory %s", idp)
		}
	}
	for _, b := range modelBackends() {
		if err := m.compareBackend(t, b, tx); err != nil {
			return err
		}
	}
	for k, v := range m.settings {
		storetest.Same(t, "setting "+k, string(tx.Setting(k)), v)
	}
	removals := map[entryID]record.Removal{}
	for _, r := range storetest.List(t, record.List(tx, record.Removal{})) {
		removals[entryID{r.Backend, r.Target, r.Account, r.Kind}] = r
	}
	storetest.Same(t, "removals", removals, m.removals)
	return m.compareEvents(t, tx.Events())
}

func (m *model) compareEvents(t *testing.T, e store.Events) error {
	t.Helper()
	storetest.Same(t, "events", storetest.List(t, e.Since(0)), append([]store.Event(nil), m.events...))
	storetest.Same(t, "unsealed", storetest.List(t, e.Unsealed()), append([]store.Event(nil), m.events[len(m.seals):]...))
	storetest.Same(t, "seals", storetest.List(t, e.Seals(0)), append([]store.Seal(nil), m.seals...))
	anchor, err := e.Anchor()
	if err != nil {
		return err
	}
	storetest.Same(t, "anchor", anchor, m.anchor)
	last, err := e.LastSeal()
	storetest.Same(t, "last seal", last, m.lastSeal())
	return err
}

func (m *model) lastSeal() store.Seal {
	if len(m.seals) > 0 {
		return m.seals[len(m.seals)-1]
	}
	return m.anchor
}

func (md *modelDir) compare(t *testing.T, idp string, d store.Directory) error {
	t.Helper()
	storetest.Same(t, idp+" users", storetest.UserIDs(storetest.List(t, d.Users(store.From{}))), append([]string(nil), md.userOrder...))
	storetest.Same(t, idp+" groups", storetest.GroupIDs(storetest.List(t, d.Groups(store.From{}))), append([]string(nil), md.groupOrder...))
	storetest.Same(t, idp+" counts", [2]int{d.UserCount(), d.GroupCount()}, [2]int{len(md.users), len(md.groups)})
	for id, u := range md.users {
		got, err := d.User(id)
		if err != nil {
			return err
		}
		storetest.Same(t, "user", got, u)
		for _, mail := range u.Emails {
			var want []string
			for _, o := range md.userOrder {
				if slices.ContainsFunc(md.users[o].Emails, func(x string) bool { return store.Fold(x) == store.Fold(mail) }) {
					want = append(want, o)
				}
			}
			found, err := d.FindUsers(store.ByEmail, mail)
			if err != nil {
				return err
			}
			storetest.Same(t, "by e-mail "+mail, storetest.UserIDs(found), want)
		}
	}
	of := map[string][]string{}
	for id, g := range md.groups {
		got, err := d.Group(id)
		if err != nil {
			return err
		}
		storetest.Same(t, "group", got, g)
		ms := map[string]bool{}
		for _, v := range storetest.List(t, d.Members(id)) {
			_, isUser := md.users[v.Value]
			storetest.Same(t, "is a user: "+v.Value, v.User, isUser)
			ms[v.Value] = true
			of[v.Value] = append(of[v.Value], id)
		}
		want := md.members[id]
		if want == nil {
			want = map[string]bool{}
		}
		storetest.Same(t, "members of "+id, ms, want)
	}
	storetest.Same(t, idp+" unknown members", storetest.UnknownOf(t, d), md.unknown())
	for v, groups := range of {
		got := storetest.GroupIDs(storetest.List(t, d.GroupsOf(v)))
		slices.Sort(got)
		slices.Sort(groups)
		storetest.Same(t, "groups of "+v, got, groups)
	}
	return nil
}

// unknown counts the members that are neither a user nor a group, by group.
func (md *modelDir) unknown() map[string]int {
	out := map[string]int{}
	for g, members := range md.members {
		for v := range members {
			_, isUser := md.users[v]
			if _, isGroup := md.groups[v]; !isUser && !isGroup {
				out[g]++
			}
		}
	}
	return out
}

func (m *model) compareBackend(t *testing.T, b string, tx store.Tx) error {
	t.Helper()
	var want []store.Mark
	var counts [3]int
	for id, mark := range m.marks {
		if id.backend == b {
			want = append(want, mark)
			counts[mark.State]++
		}
	}
	bySeq := func(a, b store.Mark) int { return cmp.Compare(a.Seq, b.Seq) }
	got := storetest.List(t, tx.Work(b).Marks(""))
	slices.SortFunc(want, bySeq)
	slices.SortFunc(got, bySeq)
	storetest.Same(t, "marks", got, want)
	p, bl, h := tx.Work(b).Counts()
	storetest.Same(t, "counts of marks", [3]int{p, bl, h}, counts)

	entries := map[entryID]store.Entry{}
	for _, e := range storetest.List(t, tx.Ledger(b).Entries("", "")) {
		entries[entryID{b, e.Target, e.Account, e.Role}] = e
	}
	wantEntries := maps.Clone(m.entries)
	maps.DeleteFunc(wantEntries, func(id entryID, _ store.Entry) bool { return id.backend != b })
	storetest.Same(t, "entries", entries, wantEntries)

	linked := map[string]int{}
	for k, l := range m.links {
		if k[0] != b {
			continue
		}
		got, err := tx.Accounts(b).Link(k[1], k[2])
		if err != nil {
			return err
		}
		storetest.Same(t, "link", got, l)
		if l.Account != "" {
			linked[l.Account]++
		}
	}
	for i := range 4 {
		account := "a" + strconv.Itoa(i)
		got, err := tx.Accounts(b).Linked(account)
		if err != nil {
			return err
		}
		storetest.Same(t, "linked to "+account, len(got), linked[account])
	}
	for k, c := range m.cached {
		if k[0] != b {
			continue
		}
		got, err := tx.Accounts(b).Cached(k[1], k[2])
		if err != nil {
			return err
		}
		storetest.Same(t, "cached", got, c)
		storetest.Same(t, "cached on its target", slices.Contains(storetest.List(t, tx.Accounts(b).CachedOn(k[1])), c), true)
	}
	return nil
}

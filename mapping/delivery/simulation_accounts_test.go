package delivery_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// simWorld is the world in which a seed happens: accounts at the vendor that are deleted and made again, addresses that move to other
// accounts, users who set their address to a partner's, groups that are renamed, permission sets, and in some seeds many targets.
type simWorld struct {
	one     bool   // the vendor has one list of accounts for all targets
	admin   string // the role that administers a target
	age     time.Duration
	many    bool // targets
	stuck   bool // three of four of these hang: every call takes until its deadline
	moves   bool // accounts are made again, renamed, swapped
	ends    bool // an off-boarding ends the account, and missing accounts are requested
	partner bool // users may have a partner's address
	groups  []string
	target  map[string]string // of each group

	people  map[string]string // account -> address
	lists   []simList         // of people
	made    int               // accounts
	moved   map[string]bool   // accounts whose address, or existence, changed
	swapped map[string]bool   // accounts that were those of several people
	byNet   int               // repairs
}

// simList is who had which address from a moment on.
type simList struct {
	at     time.Time
	people map[string]string
}

const (
	simFloating = "Floating" // the id of a group that is renamed
	simPartner  = "partner@example.com"
	simMany     = 120 // targets, in a seed with many
)

func newSimWorld(rnd *rand.Rand, seed uint64) *simWorld {
	w := &simWorld{one: rnd.IntN(2) == 0, admin: []string{"", "", "ADMIN"}[rnd.IntN(3)], age: []time.Duration{time.Hour, 4 * time.Minute}[rnd.IntN(2)],
		moves: rnd.IntN(4) > 0, target: map[string]string{}, people: map[string]string{"root": "root@example.com", "p": simPartner}, moved: map[string]bool{}, swapped: map[string]bool{"p": true}}
	for name, r := range simGroups {
		w.target[name] = r.Target
	}
	if w.ends = seed%8 == 3; w.ends {
		w.one, w.moves = true, false // an account that became another user's within the age of the listing may be ended
	}
	if w.many = seed%16 == 5; w.many {
		for i := range simMany {
			name := fmt.Sprintf("Team %03d", i)
			w.target[name] = fmt.Sprintf("t%03d", i)
		}
	}
	w.groups = slices.Sorted(maps.Keys(w.target))
	for i := range simPeople {
		w.people[simAccount(i)] = simEmail(i)
	}
	return w
}

// compile makes the rules of a world: those that are given, one for each of many targets, and one for the group that is renamed.
func (w *simWorld) compile(t *testing.T, groups map[string]mapping.Rule) *mapping.Rules {
	var rules []mapping.Rule
	for _, name := range w.groups {
		r, given := groups[name]
		if !given {
			r = mapping.Rule{Backend: "vt", Target: w.target[name], Roles: []string{"TEAM"}}
		}
		r.Groups = []string{name}
		rules = append(rules, r)
	}
	rules = append(rules, mapping.Rule{Match: `Extra (?P<n>\d)`, Backend: "vt", Target: "gamma", Roles: []string{"X${n}"}, PermissionSets: []string{"ps${n}"}})
	compiled, err := mapping.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// account is who has an address now; "" if no account has.
func (w *simWorld) account(address string) string {
	for _, id := range slices.Sorted(maps.Keys(w.people)) {
		if w.people[id] == address {
			return id
		}
	}
	return ""
}

// hangs says whether every call to a target takes until its deadline now.
func (w *simWorld) hangs(target string) bool {
	return w.stuck && strings.HasPrefix(target, "t") && !strings.HasSuffix(target, "0") && !strings.HasSuffix(target, "5")
}

// exists says whether the vendor has an account; a target's own settings always exist.
func (w *simWorld) exists(id string) bool {
	_, there := w.people[id]
	return there || id == store.TargetSettings
}

// remember keeps the list of people for reads that lag.
func (w *simWorld) remember() { w.lists = append(w.lists, simList{time.Now(), maps.Clone(w.people)}) }

// listed is the list of people as a read shows it: it may lag.
func (s *simulation) listed() map[string]string {
	at := time.Now()
	if s.faults && s.chance(25) {
		at = at.Add(-time.Duration(s.rnd.Int64N(int64(simLag))))
	}
	out := s.lists[0].people
	for _, l := range s.lists {
		if !l.at.After(at) {
			out = l.people
		}
	}
	return out
}

// repaired counts what the net repairs.
func (p *process) repaired() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byNet++
	p.tell("the net repaired something")
}

// move is a change of accounts at the vendor. The protected user keeps theirs.
func (s *simulation) move() {
	if !s.moves {
		return
	}
	i, j := 1+s.rnd.IntN(simPeople-1), 1+s.rnd.IntN(simPeople-1)
	old, other := s.account(simEmail(i)), s.account(simEmail(j))
	switch kind := s.rnd.IntN(4); {
	case old == "": // made again after a while
		s.make(i)
	case kind == 0:
		s.drop(old)
		s.make(i)
	case kind == 1:
		s.drop(old)
	case kind == 2:
		s.people[old], s.moved[old] = fmt.Sprintf("former-%d@example.com", s.made), true
		s.make(i)
	case other != "":
		s.people[old], s.people[other] = s.people[other], s.people[old]
		s.moved[old], s.moved[other], s.swapped[old], s.swapped[other] = true, true, true, true
	}
	s.tell("accounts: %v", s.people)
	s.remember()
}

func (s *simulation) make(i int) {
	s.made++
	id := fmt.Sprintf("%s.%d", simAccount(i), s.made)
	s.people[id], s.moved[id] = simEmail(i), true
}

// drop deletes an account, with all that it has.
func (s *simulation) drop(id string) {
	delete(s.people, id)
	s.moved[id] = true
	for g := range s.has {
		if g.account == id && s.has[g] {
			s.set(g, false)
		}
		if g.account == id {
			delete(s.byHand, g)
		}
	}
}

// restore lets every user have an account again.
func (s *simulation) restore() {
	for i := range simPeople {
		if s.account(simEmail(i)) == "" {
			s.make(i)
		}
	}
	s.remember()
	s.note()
}

// rename gives the group that floats another name, as package scim does it.
func (s *simulation) rename() {
	now := time.Now().Add(s.clock)
	s.must(s.store.Update(s.t.Context(), func(tx store.Tx) error {
		d := tx.Directory("idp")
		g, err := d.Group(simFloating)
		if err != nil {
			return err
		}
		g.DisplayName = []string{simFloating, "Extra 1", "Extra 2"}[s.rnd.IntN(3)]
		if err := d.PutGroup(g); err != nil {
			return err
		}
		if in, err := d.IsMember(simFloating, simUser(1)); err != nil || !in {
			if _, err := d.AddMembers(simFloating, simUser(1), simUser(2)); err != nil {
				return err
			}
		}
		return tx.Work("vt").Touch("gamma", now, store.Origin{Initiator: "bridge: rename", At: now}, store.Subject{})
	}))
}

// readdress sets the address of a user to a partner's, or back.
func (s *simulation) readdress(i int) {
	if !s.partner || i == 0 {
		return
	}
	now, subject := time.Now().Add(s.clock), store.Subject{IdP: "idp", User: simUser(i)}
	s.must(s.store.Update(s.t.Context(), func(tx store.Tx) error {
		u, err := tx.Directory("idp").User(simUser(i))
		if err != nil {
			return err
		}
		email := simPartner
		if u.Emails[0] == simPartner {
			email = simEmail(i)
		}
		u.Original = originalOf(u, email)
		u.Emails[0] = email
		by, err := s.asked(tx, subject, now)
		if err != nil {
			return err
		}
		if err := tx.Directory("idp").PutUser(u); err != nil {
			return err
		}
		return s.mark(tx, subject, false, now, by)
	}))
}

// mark marks a user wherever a group of theirs counts; who leaves also wherever they have something.
func (s *simulation) mark(tx store.Tx, subject store.Subject, leaves bool, now time.Time, by store.Origin) error {
	touch := tx.Work("vt").Touch
	if leaves {
		touch = tx.Work("vt").TouchUrgent
	}
	for g, err := range tx.Directory("idp").GroupsOf(subject.User) {
		if err != nil {
			return err
		}
		for _, t := range s.rules.Load().Targets("idp", g) {
			if err := touch(t.Target, now, by, subject); err != nil {
				return err
			}
		}
	}
	if leaves {
		return touch(store.AnyTarget, now, by, subject)
	}
	return nil
}

// wishedSets adds the permission sets that targets are to have.
func (s *simulation) wishedSets(tx store.Tx, out map[simGrant]bool) error {
	var all []mapping.Named
	for g, err := range tx.Directory("idp").Groups(store.From{}) {
		if err != nil {
			return err
		}
		all = append(all, mapping.Named{IdP: "idp", Group: g})
	}
	for _, set := range s.rules.Load().PermissionSets(mapping.Target{Backend: "vt", Target: "gamma"}, all) {
		out[simGrant{"gamma", store.TargetSettings, set}] = true
	}
	return nil
}

func (s *simulation) applySets(d backend.Delta) {
	for _, set := range d.PermissionSetsToAdd {
		s.set(simGrant{d.Target, store.TargetSettings, set}, true)
	}
	for _, set := range d.PermissionSetsToRemove {
		s.set(simGrant{d.Target, store.TargetSettings, set}, false)
	}
}

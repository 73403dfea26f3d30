package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// userID names a user of an identity provider.
type userID struct{ idp, id string }

// link is the account of a user at one backend, as a number; 0: none is known.
type link struct {
	account uint32
	valid   bool // the value that found it is still the user's
}

// person is a user, as far as a report needs one.
type person struct {
	userID
	name   string
	active bool
}

// gift is what a rule makes of a group.
type gift struct {
	backend   int
	target    string
	roles     []string
	line      int
	condition int  // of the rule; -1: none
	held      bool // the name of the group is bound to another group
}

// group is a group with a rule.
type group struct {
	idp, id, name string
	gifts         []gift
	members       []int32
}

// people are the users of a report, with their groups and accounts. There may be a hundred thousand
// users and a million memberships: what is known of each lies in arrays.
type people struct {
	src        *Source
	names      *interner
	memory     *memory
	list       []person
	index      map[userID]int32
	groups     []group
	groupIndex map[userID]int32
	targets    []map[string][]int32 // by backend: target -> groups that give something there
	chosen     map[userID]bool      // by loadUser

	links [][]link             // by backend and user
	first []map[uint32]int32   // by backend: account -> its user
	more  []map[uint32][]int32 // the other users of accounts that are shared

	memberships []int32  // groups, user by user
	ends        []uint32 // by user: where their memberships end

	conditions map[int]int // index of a rule -> condition
	tests      []func(store.User) bool
	passes     [][]bool // by condition and user
}

func newPeople(src *Source, names *interner, m *memory) *people {
	p := &people{src: src, names: names, memory: m, index: map[userID]int32{}, groupIndex: map[userID]int32{}, chosen: map[userID]bool{}, conditions: map[int]int{}}
	for range src.Backends {
		p.targets, p.links = append(p.targets, map[string][]int32{}), append(p.links, nil)
		p.first, p.more = append(p.first, map[uint32]int32{}), append(p.more, map[uint32][]int32{})
	}
	return p
}

// usersOf lists the users who are an account.
func (p *people) usersOf(b int, account string) []int32 {
	number, known := p.names.find(account)
	if !known {
		return nil
	}
	n, there := p.first[b][number]
	if !there {
		return nil
	}
	return append([]int32{n}, p.more[b][number]...)
}

// bind notes that a user is an account.
func (p *people) bind(b int, n int32, account string, valid bool) {
	number := p.names.number(account)
	p.links[b][n] = link{number, valid}
	if _, shared := p.first[b][number]; shared {
		p.more[b][number] = append(p.more[b][number], n)
	} else {
		p.first[b][number] = n
	}
}

// groupsOf lists the groups of a user.
func (p *people) groupsOf(n int32) []int32 {
	from := uint32(0)
	if n > 0 {
		from = p.ends[n-1]
	}
	return p.memberships[from:p.ends[n]]
}

// indexMemberships puts the members of the groups in the order of the users.
func (p *people) indexMemberships() {
	counts := make([]uint32, len(p.list)+1)
	for _, g := range p.groups {
		for _, n := range g.members {
			counts[n+1]++
		}
	}
	for i := range p.list {
		counts[i+1] += counts[i]
	}
	p.memberships = make([]int32, counts[len(p.list)])
	for i, g := range p.groups {
		for _, n := range g.members {
			p.memberships[counts[n]] = int32(i)
			counts[n]++
		}
	}
	p.ends = counts[:len(p.list)] // each is now where the next begins
}

// loadAll reads every user, and the members of every group that a rule is about.
func (p *people) loadAll(ctx context.Context) error {
	links := make([]map[userID]store.Link, len(p.src.Backends))
	var idps []string
	err := p.src.Store.View(ctx, func(tx store.Tx) error {
		p.groups, p.groupIndex, idps = nil, map[userID]int32{}, tx.IdPs()
		rules := p.src.Rules(tx)
		for _, idp := range idps {
			for g, err := range tx.Directory(idp).Groups(store.From{}) {
				if err != nil {
					return err
				}
				p.addGroup(rules, idp, g)
			}
		}
		for i, b := range p.src.Backends {
			links[i] = map[userID]store.Link{}
			for l, err := range tx.Accounts(b.Name).Links() {
				if err != nil {
					return err
				}
				if l.Account != "" {
					links[i][userID{l.IdP, l.User}] = store.Link{Key: l.Key, Account: l.Account}
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading groups and accounts: %w", err)
	}
	p.conditionsOf()
	for _, idp := range idps {
		if err := p.loadUsers(ctx, idp, links); err != nil {
			return fmt.Errorf("reading users: %w", err)
		}
	}
	p.addGone(links)
	for i := range p.groups {
		if err := p.loadMembers(ctx, &p.groups[i]); err != nil {
			return fmt.Errorf("reading members: %w", err)
		}
	}
	p.indexMemberships()
	return nil
}

// addGroup adds a group if a rule is about it, and returns its number; -1: none is.
func (p *people) addGroup(rules *mapping.Rules, idp string, g store.Group) int32 {
	if n, known := p.groupIndex[userID{idp, g.ID}]; known {
		return n
	}
	added, n := group{idp: idp, id: g.ID, name: g.DisplayName}, int32(len(p.groups))
	for _, a := range rules.Apply(idp, g) {
		b := p.backend(a.Target.Backend)
		if b < 0 || a.Rule.Paused {
			continue
		}
		added.gifts = append(added.gifts, gift{b, a.Target.Target, a.Roles, a.Rule.Line, p.condition(a.Rule), a.Held})
	}
	if len(added.gifts) == 0 {
		return -1
	}
	p.groups, p.groupIndex[userID{idp, g.ID}] = append(p.groups, added), n
	return n
}

// condition numbers the condition of a rule.
func (p *people) condition(r mapping.Rule) int {
	if r.Where == nil {
		return -1
	}
	n, known := p.conditions[r.Index]
	if !known {
		n = len(p.tests)
		p.conditions[r.Index], p.tests = n, append(p.tests, r.Where)
	}
	return n
}

// conditionsOf fills in which groups give something on which target.
func (p *people) conditionsOf() {
	for n, g := range p.groups {
		for _, gift := range g.gifts {
			at := p.targets[gift.backend]
			if all := at[gift.target]; len(all) == 0 || all[len(all)-1] != int32(n) {
				at[gift.target] = append(all, int32(n))
			}
		}
	}
}

// backend returns the number of a backend; -1: there is none of this name.
func (p *people) backend(name string) int {
	for i, b := range p.src.Backends {
		if b.Name == name {
			return i
		}
	}
	return -1
}

// loadUsers reads the users of a directory.
func (p *people) loadUsers(ctx context.Context, idp string, links []map[userID]store.Link) error {
	after, users := uint64(0), make([]store.User, 0, pageSize)
	for {
		err := p.src.Store.View(ctx, func(tx store.Tx) error {
			users = users[:0]
			d := tx.Directory(idp)
			for u, err := range d.Users(store.From{AfterPlace: after}) {
				if err != nil {
					return err
				}
				if users = append(users, u); len(users) == pageSize {
					break
				}
			}
			if len(users) == 0 {
				return nil
			}
			place, err := d.Place(users[len(users)-1].ID)
			after = place
			return err
		})
		if err != nil {
			return err
		}
		p.memory.bound()
		for _, u := range users {
			of := make([]store.Link, len(links))
			for b := range links {
				of[b] = links[b][userID{idp, u.ID}]
				delete(links[b], userID{idp, u.ID})
			}
			p.add(idp, u, of)
		}
		if len(users) < pageSize {
			return nil
		}
	}
}

// add adds a user with the links to their accounts, by backend.
func (p *people) add(idp string, u store.User, of []store.Link) int32 {
	n := p.addPerson(person{userID{idp, u.ID}, u.UserName, u.Active})
	for b, l := range of {
		if l.Account != "" {
			p.bind(b, n, l.Account, valueOf(u, p.src.Backends[b].Match) == l.Key)
		}
	}
	for i, test := range p.tests {
		for len(p.passes) <= i {
			p.passes = append(p.passes, nil)
		}
		for int32(len(p.passes[i])) < n { // users of before the condition was known
			p.passes[i] = append(p.passes[i], false)
		}
		p.passes[i] = append(p.passes[i], test(u))
	}
	return n
}

func (p *people) addPerson(who person) int32 {
	n := int32(len(p.list))
	p.list, p.index[who.userID] = append(p.list, who), n
	for b := range p.links {
		p.links[b] = append(p.links[b], link{})
	}
	return n
}

// addGone adds the users that were deleted and still have an account.
func (p *people) addGone(links []map[userID]store.Link) {
	for b := range links {
		for id, l := range links[b] {
			n, known := p.index[id]
			if !known {
				n = p.addPerson(person{userID: id, name: l.Key})
			}
			p.bind(b, n, l.Account, false)
		}
	}
}

// loadMembers reads the members of a group.
func (p *people) loadMembers(ctx context.Context, g *group) error {
	err := p.src.Store.View(ctx, func(tx store.Tx) error {
		g.members = g.members[:0]
		for m, err := range tx.Directory(g.idp).Members(g.id) {
			if err != nil {
				return err
			}
			if user, known := p.index[userID{g.idp, m.Value}]; known && m.User {
				g.members = append(g.members, user)
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) { // deleted meanwhile
		err = nil
	}
	return err
}

// valueOf is the folded value of a user that finds the account.
func valueOf(u store.User, match string) string {
	v := u.UserName
	switch {
	case match == "externalId":
		v = u.ExternalID
	case match != "userName" && len(u.Emails) > 0 && u.Emails[0] != "":
		v = u.Emails[0]
	}
	return backend.Fold(v)
}

// wanted is a role that rules give a user.
type wanted struct {
	role string
	held bool // only by groups whose name is bound to another group
	from []Cause
}

// desired lists what a user should have on a target, in the order of the groups.
func (p *people) desired(n int32, b int, target string) (out []wanted) {
	if !p.list[n].active {
		return nil
	}
	for _, i := range p.groupsOf(n) {
		g := &p.groups[i]
		for _, gift := range g.gifts {
			if gift.backend != b || gift.target != target || gift.condition >= 0 && !p.passes[gift.condition][n] {
				continue
			}
			for _, role := range gift.roles {
				out = addWanted(out, role, gift.held, Cause{g.name, g.idp, gift.line})
			}
		}
	}
	return out
}

func addWanted(all []wanted, role string, held bool, from Cause) []wanted {
	for i := range all {
		w := &all[i]
		switch {
		case w.role != role:
			continue
		case w.held && !held: // given by this group alone
			w.held, w.from = false, []Cause{from}
		case w.held == held:
			w.from = append(w.from, from)
		}
		return all
	}
	return append(all, wanted{role, held, []Cause{from}})
}

package delivery_test

import (
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// change is a request of the identity provider, as package scim stores it, or a change by hand at the vendor.
func (s *simulation) change() {
	s.mu.Lock() // no call is made between the change and the note of it
	defer s.mu.Unlock()
	i, kind := s.rnd.IntN(simPeople), s.rnd.IntN(40)
	group := s.groups[s.rnd.IntN(len(s.groups))]
	if s.many && s.chance(10) {
		s.stuck = !s.stuck
	}
	switch kind {
	case 0, 1:
		s.edit(i)
	case 4, 5:
		s.move()
	case 6:
		s.rename()
	case 7:
		s.readdress(i)
	case 2:
		s.clock += time.Duration(s.rnd.IntN(1200)-600) * time.Second
	case 3:
		s.other = s.rules.Swap(s.other)
		s.worker.RulesChanged()
	default:
		s.request(i, kind, group)
		if s.chance(50) {
			s.worker.Nudge()
		}
	}
	s.note()
	s.must(s.store.View(s.t.Context(), heldByNothing))
}

// request is one of the identity provider.
func (s *simulation) request(i, kind int, group string) {
	now := time.Now().Add(s.clock)
	s.must(s.store.Update(s.t.Context(), func(tx store.Tx) error {
		d, w := tx.Directory("idp"), tx.Work("vt")
		subject := store.Subject{IdP: "idp", User: simUser(i)}
		by, err := s.asked(tx, subject, now)
		if err != nil {
			return err
		}
		if kind < 12 {
			u, err := d.User(simUser(i))
			if err != nil {
				return err
			}
			u.Active = !u.Active
			s.toggled[u.ID] = time.Now()
			if err := d.PutUser(u); err != nil {
				return err
			}
			return s.mark(tx, subject, !u.Active, now, by)
		}
		in, err := d.IsMember(group, simUser(i))
		if err == nil && in {
			_, err = d.RemoveMembers(group, simUser(i))
		} else if err == nil {
			_, err = d.AddMembers(group, simUser(i))
		}
		if err != nil {
			return err
		}
		return w.Touch(s.target[group], now, by, subject)
	}))
}

// note remembers when a wish changed.
func (s *simulation) note() {
	after := s.wishes()
	for _, wishes := range []map[simGrant]bool{s.wish, after} {
		for g := range wishes {
			if s.wish[g] != after[g] {
				s.tell("%+v: wanted %v", g, after[g])
				s.changed[g] = time.Now()
			}
		}
	}
	s.wish = after
}

// edit is a change by hand at the vendor: it takes a grant of ours away, or gives what no rule knows.
func (s *simulation) edit(i int) {
	switch {
	case s.chance(50):
		if id := s.account(simEmail(i)); id != "" {
			s.hand(simGrant{"acme", id, "OTHER"})
		}
	case !s.hidden: // what no read shows cannot be repaired
		if g := (simGrant{"beta", s.account(simEmail(i)), "SCAN"}); !s.byHand[g] {
			s.set(g, false)
		}
	}
}

package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// wishes is what the rules say now.
func (s *simulation) wishes() map[simGrant]bool {
	out := map[simGrant]bool{}
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		clear(out)
		for i := range simPeople {
			u, err := tx.Directory("idp").User(simUser(i))
			if err != nil {
				return err
			}
			var groups []store.Group
			for g, err := range tx.Directory("idp").GroupsOf(u.ID) {
				if err != nil {
					return err
				}
				groups = append(groups, g)
			}
			for _, g := range s.rules.Load().Desired("idp", u, groups) {
				if id := s.account(u.Emails[0]); id != "" {
					out[simGrant{g.Target.Target, id, g.Role}] = true
				}
			}
		}
		return s.wishedSets(tx, out)
	}))
	return out
}

func (s *simulation) compare() {
	want := s.wishes()
	for g := range s.byHand {
		want[g] = true
	}
	var wrong []string
	for g := range s.has {
		if s.has[g] && !want[g] && g.account != simAccount(0) && s.exists(g.account) { // who is protected keeps what they had
			wrong = append(wrong, fmt.Sprintf("%+v is there and must not be", g))
		}
	}
	for g := range want {
		if !s.has[g] {
			wrong = append(wrong, fmt.Sprintf("%+v is missing", g))
		}
	}
	if s.byNet > 0 {
		wrong = append(wrong, fmt.Sprintf("the net repaired %d", s.byNet))
	}
	if s.violation != "" {
		wrong = append(wrong, s.violation)
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		wrong = append(wrong, s.lastTrace()...)
		s.t.Fatal(strings.Join(append(wrong, s.remains()...), "\n"))
	}
	remains := s.remains()
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		if pending, blocked, _ := tx.Work("vt").Counts(); pending+blocked > 0 {
			return fmt.Errorf("at rest %d are pending and %d blocked: %s", pending, blocked, strings.Join(remains, "\n"))
		}
		return nil
	}))
	s.must(s.store.View(s.t.Context(), heldByNothing))
}

// heldByNothing finds a user who waits for an operator who is asked nothing.
func heldByNothing(tx store.Tx) error {
	holds := map[string]bool{}
	for e, err := range tx.Ledger("vt").Entries("", "") {
		if err != nil {
			return err
		}
		holds[e.Hold] = true
	}
	for h, err := range record.List(tx, record.HeldOffboarding{Backend: "vt"}) {
		if err != nil {
			return err
		}
		holds[h.ID] = true
	}
	for m, err := range tx.Work("vt").Marks("") {
		if err != nil || m.State == store.Held && !holds[m.Reason] {
			return errors.Join(err, fmt.Errorf("%+v waits for a hold that is decided", m))
		}
	}
	return nil
}

// remains returns what the store says at the end, to explain a failure.
func (s *simulation) remains() (out []string) {
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprintf("mark %+v", m))
		}
		for e, err := range tx.Ledger("vt").Entries("", "") {
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprintf("entry %+v", e))
		}
		return nil
	}))
	return out
}

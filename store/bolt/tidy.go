package bolt

import (
	"context"
	"errors"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/directory"
)

// tidyLater starts the removal of loose rows, unless it is running.
func (s *Store) tidyLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.tidying {
		s.untidy = !s.closed
		return
	}
	s.tidying, s.untidy = true, false
	s.tidiers.Add(1)
	go func() {
		defer s.tidiers.Done()
		for s.tidy() {
		}
	}()
}

// tidy removes one part of the loose rows and reports whether there are more. After a failure the next change
// that leaves loose rows, or the next Open, tries again.
func (s *Store) tidy() (again bool) {
	more := false
	s.large.Lock()
	err := s.commitJob(context.Background(), func(t store.Tx) error {
		more = false
		for _, idp := range t.IdPs() {
			d, ok := t.Directory(idp).(*directory.Directory)
			if !ok || more {
				break
			}
			var err error
			if more, err = d.Tighten(s.part, func(g codec.Number) bool { return s.expects(idp, g) }); err != nil {
				return err
			}
		}
		return nil
	})
	s.large.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && (more || s.untidy) {
		s.untidy = false
		return true
	}
	s.tidying = false
	return false
}

// groupAhead is a group for which members are prepared.
type groupAhead struct {
	idp   string
	group codec.Number
}

// expects reports whether loose rows of a group belong to a change that is about to come.
func (s *Store) expects(idp string, g codec.Number) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expected[groupAhead{idp, g}] > 0
}

// expect keeps the loose rows of a group until done is called.
func (s *Store) expect(idp string, g codec.Number) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := groupAhead{idp, g}
	s.expected[at]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.expected[at]--; s.expected[at] == 0 {
			delete(s.expected, at)
		}
	}
}

// hasLoose reports whether any row is loose.
func (s *Store) hasLoose() (found bool, err error) {
	err = s.View(context.Background(), func(t store.Tx) error {
		for _, idp := range t.IdPs() {
			d, ok := t.Directory(idp).(*directory.Directory)
			if !ok {
				return errors.New("transaction of another store")
			}
			found = found || d.Loose() != nil
		}
		return nil
	})
	return found, err
}

package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

// partSize is how many memberships a transaction changes in both directions. One that changes more leaves the way back to others:
// a million rows of member.of take a second, and every other writer would wait for it.
const partSize = 1024

// A row of member.of is loose if it stands for no membership: of one that was removed, or of one that is about to be added. The
// bucket members.loose lists the loose rows, in blocks as those of members. So a change of any size is a change of a few blocks:
// members of a group become loose, or loose ones become members. Rows that stay loose are removed in parts, after the change or,
// if the process ends before, when the file is opened.

// loose gives the bucket of the loose rows, and nil if there are none.
func (d *directory) loose() *bbolt.Bucket {
	b := d.bucket(dirLoose)
	if b == nil {
		return nil
	}
	if k, _ := b.Cursor().First(); k == nil {
		return nil
	}
	return b
}

// isLoose says whether the row of a member is loose.
func isLoose(loose *bbolt.Bucket, g, m number) (bool, error) {
	if loose == nil {
		return false, nil
	}
	key := blockKey(g, m)
	b, err := openBlock(key, loose.Get(key))
	return b.has(m), err
}

// loosen adds loose rows for members that the group is about to get. Their numbers come in order.
func (d *directory) loosen(g number, members []number) error {
	loose := d.loose()
	var open []candidate
	for len(members) > 0 {
		key := blockKey(g, members[0])
		there, err := openBlock(key, d.get(dirMembers, key))
		if err != nil {
			return err
		}
		l, err := openBlock(key, get(loose, key))
		if err != nil {
			return err
		}
		before := len(open)
		for first := members[0] >> blockBits; len(members) > 0 && members[0]>>blockBits == first; members = members[1:] {
			if m := members[0]; !there.has(m) && !l.has(m) {
				l.set(m)
				open = append(open, candidate{number: m})
			}
		}
		if len(open) == before {
			continue
		}
		if err := d.putBlocks(dirLoose, [][]byte{key}, []block{l}); err != nil {
			return err
		}
	}
	return d.back(g, open, true)
}

// loosenAll makes all members of a group loose.
func (d *directory) loosenAll(g number) error {
	for k, v := range d.tx.scan(d.bucket(dirMembers), g.key(), 0) {
		key := slices.Clone(k)
		b, err := openBlock(key, v)
		if err != nil {
			return err
		}
		l, err := openBlock(key, d.get(dirLoose, key))
		if err != nil {
			return err
		}
		for i := range l {
			l[i] |= b[i]
		}
		if err := d.putBlocks(dirLoose, [][]byte{key}, []block{l}); err != nil {
			return err
		}
		if err := d.tx.del(d.bucket(dirMembers), key); err != nil {
			return err
		}
	}
	d.tx.loosened = true
	return nil
}

// tighten removes loose rows, at most a part of them, but for those of the groups to keep. It says whether there may be more.
func (d *directory) tighten(part int, keep func(g number) bool) (more bool, err error) {
	b := d.loose()
	if b == nil {
		return false, nil
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Seek(k) {
		key := slices.Clone(k)
		if len(key) != 2*numberSize {
			return false, fmt.Errorf("loose memberships %x: %w", key, store.ErrDamaged)
		}
		g := toNumber(key)
		if keep(g) {
			if k = (g + 1).key(); g+1 == 0 {
				return false, nil
			}
			continue
		}
		if part <= 0 {
			return true, nil
		}
		l, err := openBlock(key, v)
		if err != nil {
			return false, err
		}
		var rows []candidate
		left := l
		for m := range l.all(toNumber(key[numberSize:]) << blockBits) {
			if len(rows) == part {
				break
			}
			rows = append(rows, candidate{number: m})
			left.clear(m)
		}
		if err := d.back(g, rows, false); err != nil {
			return false, err
		}
		if err := d.putBlocks(dirLoose, [][]byte{key}, []block{left}); err != nil {
			return false, err
		}
		part -= len(rows)
		k = key
	}
	return false, nil
}

// tidyLater begins the removal of loose rows, unless it is under way.
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

// tidy removes one part of the loose rows and says whether there is more to do. What cannot be stored now is tried again after the
// next change that leaves loose rows, or when the file is opened.
func (s *Store) tidy() (again bool) {
	more := false
	s.large.Lock()
	err := s.commitJob(context.Background(), func(t store.Tx) error {
		more = false
		for _, idp := range t.IdPs() {
			d, ok := t.Directory(idp).(*directory)
			if !ok || more {
				break
			}
			var err error
			if more, err = d.tighten(s.part, func(g number) bool { return s.expects(idp, g) }); err != nil {
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
	group number
}

// expects says whether loose rows of a group are those of a change that is about to come.
func (s *Store) expects(idp string, g number) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expected[groupAhead{idp, g}] > 0
}

// expect keeps the loose rows of a group until done is called.
func (s *Store) expect(idp string, g number) (done func()) {
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

// hasLoose says whether any row is loose.
func (s *Store) hasLoose() (found bool, err error) {
	err = s.View(context.Background(), func(t store.Tx) error {
		for _, idp := range t.IdPs() {
			d, ok := t.Directory(idp).(*directory)
			if !ok {
				return errors.New("transaction of another store")
			}
			found = found || d.loose() != nil
		}
		return nil
	})
	return found, err
}

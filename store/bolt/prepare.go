package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/directory"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// A function that adds or removes more members than one part is first run as a survey: from the member that
// exceeds the part on, AddMembers and RemoveMembers only note their values, and the transaction is rolled
// back.
//
// Then the slow work is done in parts of their own: looking up the numbers of the values, numbering new ones,
// and adding rows of member.of, which are loose until the function has run again. A crash in between leaves
// names without a group, and loose rows, which the next Open removes.

// errSurveyed ends a survey.
var errSurveyed = errors.New("the function runs again after its changes are prepared")

// prepare prepares the changes of a survey. Its loose rows are kept until done is called.
func (s *Store) prepare(ctx context.Context, f *kv.Foresight) (done func(), err error) {
	var ends []func()
	done = func() {
		for _, end := range ends {
			end()
		}
		if len(ends) > 0 {
			s.tidyLater()
		}
	}
	f.Surveys++
	f.Ready, f.Noted = f.Noted, nil
	if err := s.lookUp(ctx, f.Ready); err != nil {
		return done, err
	}
	for i := range f.Ready {
		a := &f.Ready[i]
		if !a.Add {
			continue
		}
		if err := s.nameAhead(ctx, a); err != nil {
			return done, err
		}
		g, err := s.groupAhead(ctx, a)
		if err != nil {
			return done, err
		}
		ends = append(ends, s.expect(a.IdP, g))
		if err := s.loosenAhead(ctx, a, g); err != nil {
			return done, err
		}
	}
	return done, nil
}

// lookUp returns the numbers of values.
func (s *Store) lookUp(ctx context.Context, all []kv.Change) error {
	return s.View(ctx, func(t store.Tx) error {
		for i := range all {
			d, ok := t.Directory(all[i].IdP).(*directory.Directory)
			if !ok {
				return errors.New("transaction of another store")
			}
			all[i].Numbers = make([]codec.Number, len(all[i].Values))
			for j, v := range all[i].Values {
				n, _, err := d.Number(v)
				if err != nil {
					return err
				}
				all[i].Numbers[j] = n
			}
		}
		return nil
	})
}

// inPart runs a function as one part. Only one runs at a time, so that other requests get their turn in between.
func (s *Store) inPart(ctx context.Context, idp string, fn func(d *directory.Directory) error) error {
	s.large.Lock()
	defer s.large.Unlock()
	return s.commitJob(ctx, func(t store.Tx) error {
		d, ok := t.Directory(idp).(*directory.Directory)
		if !ok {
			return errors.New("transaction of another store")
		}
		return fn(d)
	})
}

// nameAhead numbers the values without a number, in the order of their keys, so that a part changes few pages.
func (s *Store) nameAhead(ctx context.Context, a *kv.Change) error {
	var fresh []int
	for i, n := range a.Numbers {
		if n == 0 {
			fresh = append(fresh, i)
		}
	}
	slices.SortFunc(fresh, func(i, j int) int { return cmp.Or(strings.Compare(a.Values[i], a.Values[j]), cmp.Compare(i, j)) })
	for part := range slices.Chunk(fresh, s.part) {
		values := make([]string, len(part))
		for i, at := range part {
			values[i] = a.Values[at]
		}
		var numbers []codec.Number
		err := s.inPart(ctx, a.IdP, func(d *directory.Directory) (err error) {
			numbers, err = d.InternAll(values)
			return err
		})
		if err != nil {
			return fmt.Errorf("numbering new members: %w", err)
		}
		for i, at := range part {
			a.Numbers[at] = numbers[i]
		}
	}
	return nil
}

// groupAhead returns the number of the group, which may be new.
func (s *Store) groupAhead(ctx context.Context, a *kv.Change) (g codec.Number, err error) {
	err = s.inPart(ctx, a.IdP, func(d *directory.Directory) (err error) {
		g, err = d.Intern(a.Group)
		return err
	})
	return g, err
}

// loosenAhead adds loose rows for members that the group does not have yet.
func (s *Store) loosenAhead(ctx context.Context, a *kv.Change, g codec.Number) error {
	members := slices.Clone(a.Numbers)
	slices.Sort(members)
	members = slices.Compact(members)
	for part := range slices.Chunk(members, s.part) {
		if err := s.inPart(ctx, a.IdP, func(d *directory.Directory) error { return d.Loosen(g, part) }); err != nil {
			return fmt.Errorf("preparing members: %w", err)
		}
	}
	return nil
}

package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

// A function that adds or removes more members than one part is first run to learn which: from the member on that exceeds the
// part, AddMembers and RemoveMembers note their values and change nothing, and the transaction is rolled back. What takes long is
// then done ahead, in parts of their own: looking up the numbers of the values, numbering those that are new, and the rows of
// member.of of those to be added, which are loose until the function has run again. A crash in between leaves names that no group
// has, and loose rows, which the next Open removes.

// maxSurveys is how often a function is run to learn its changes: it may see another directory each time. After that it does
// everything by itself, however long that takes.
const maxSurveys = 3

// errSurveyed ends a run that only learns what is to be changed.
var errSurveyed = errors.New("to be run again: its changes are prepared first")

// ahead is a change of members that is prepared before the function that asked for it runs again.
type ahead struct {
	idp, group string
	values     []string
	add        bool
	numbers    []number // of the values; 0: a value that has none and is to be removed
}

// foresight is what is known about the changes of a job.
type foresight struct {
	surveys int
	noted   []ahead // by the survey under way
	ready   []ahead // prepared, in the order in which the function asks for them
	next    int     // in ready
	seen    int     // values that this run has changed, or asked to
}

// begin prepares for another run of the function.
func (f *foresight) begin() { f.noted, f.next, f.seen = nil, 0, 0 }

// surveying says whether the run under way only learns what is to be changed.
func (f *foresight) surveying() bool { return len(f.noted) > 0 }

// ask says what is known about a change: its numbers if it was prepared, or that it is only noted now.
func (f *foresight) ask(part int, a ahead) (numbers []number, noted bool) {
	if f.next < len(f.ready) {
		if r := f.ready[f.next]; r.idp == a.idp && r.group == a.group && r.add == a.add && slices.Equal(r.values, a.values) {
			f.next++
			return r.numbers, false
		}
	}
	f.seen += len(a.values)
	if f.seen <= part || f.surveys >= maxSurveys {
		return nil, false
	}
	f.noted = append(f.noted, a)
	return nil, true
}

// foresee is ask for a change of the directory. Outside of a job nothing is prepared.
func (d *directory) foresee(group string, values []string, add bool) (numbers []number, noted bool) {
	if d.tx.job == nil {
		return nil, false
	}
	return d.tx.job.ask(d.tx.part, ahead{idp: d.space.name, group: group, values: values, add: add})
}

// prepare does ahead what a survey has noted. The rows that it makes loose are kept until done is called.
func (s *Store) prepare(ctx context.Context, f *foresight) (done func(), err error) {
	var ends []func()
	done = func() {
		for _, end := range ends {
			end()
		}
		if len(ends) > 0 {
			s.tidyLater()
		}
	}
	f.surveys++
	f.ready, f.noted = f.noted, nil
	if err := s.lookUp(ctx, f.ready); err != nil {
		return done, err
	}
	for i := range f.ready {
		a := &f.ready[i]
		if !a.add {
			continue
		}
		if err := s.nameAhead(ctx, a); err != nil {
			return done, err
		}
		g, err := s.groupAhead(ctx, a)
		if err != nil {
			return done, err
		}
		ends = append(ends, s.expect(a.idp, g))
		if err := s.loosenAhead(ctx, a, g); err != nil {
			return done, err
		}
	}
	return done, nil
}

// lookUp finds the numbers that values have.
func (s *Store) lookUp(ctx context.Context, all []ahead) error {
	return s.View(ctx, func(t store.Tx) error {
		for i := range all {
			d, ok := t.Directory(all[i].idp).(*directory)
			if !ok {
				return errors.New("transaction of another store")
			}
			all[i].numbers = make([]number, len(all[i].values))
			for j, v := range all[i].values {
				n, _, err := d.number(v)
				if err != nil {
					return err
				}
				all[i].numbers[j] = n
			}
		}
		return nil
	})
}

// inPart runs a function as a part of its own. There is one at a time, so that other requests have their turn between.
func (s *Store) inPart(ctx context.Context, idp string, fn func(d *directory) error) error {
	s.large.Lock()
	defer s.large.Unlock()
	return s.commitJob(ctx, func(t store.Tx) error {
		d, ok := t.Directory(idp).(*directory)
		if !ok {
			return errors.New("transaction of another store")
		}
		return fn(d)
	})
}

// nameAhead numbers the values that have no number, in the order of their keys: so a part touches few pages.
func (s *Store) nameAhead(ctx context.Context, a *ahead) error {
	var fresh []int
	for i, n := range a.numbers {
		if n == 0 {
			fresh = append(fresh, i)
		}
	}
	slices.SortFunc(fresh, func(i, j int) int { return cmp.Or(strings.Compare(a.values[i], a.values[j]), cmp.Compare(i, j)) })
	for part := range slices.Chunk(fresh, s.part) {
		values := make([]string, len(part))
		for i, at := range part {
			values[i] = a.values[at]
		}
		var numbers []number
		err := s.inPart(ctx, a.idp, func(d *directory) (err error) {
			numbers, err = d.internAll(values)
			return err
		})
		if err != nil {
			return fmt.Errorf("numbering new members: %w", err)
		}
		for i, at := range part {
			a.numbers[at] = numbers[i]
		}
	}
	return nil
}

// groupAhead gives the number of the group, which may be new.
func (s *Store) groupAhead(ctx context.Context, a *ahead) (g number, err error) {
	err = s.inPart(ctx, a.idp, func(d *directory) (err error) {
		g, err = d.intern(a.group)
		return err
	})
	return g, err
}

// loosenAhead makes the loose rows of the members that the group does not have.
func (s *Store) loosenAhead(ctx context.Context, a *ahead, g number) error {
	members := slices.Clone(a.numbers)
	slices.Sort(members)
	members = slices.Compact(members)
	for part := range slices.Chunk(members, s.part) {
		if err := s.inPart(ctx, a.idp, func(d *directory) error { return d.loosen(g, part) }); err != nil {
			return fmt.Errorf("preparing members: %w", err)
		}
	}
	return nil
}

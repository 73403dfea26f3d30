package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// openInParts opens a store with the group g in which changes of so many members are large.
func openInParts(t *testing.T, part int) (s *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	s = mustOpen(t, path)
	s.part = part
	update(t, s, func(d store.Directory) error {
		return d.PutGroup(store.Group{ID: "g", DisplayName: "g", Attributes: []byte("{}")})
	})
	return s, path
}

func update(t *testing.T, s *Store, fn func(d store.Directory) error) {
	t.Helper()
	if err := s.Update(context.Background(), func(tx store.Tx) error { return fn(tx.Directory("idp")) }); err != nil {
		t.Fatal(err)
	}
}

// memberships returns the members of the group g, and the users whose groups include g, in one View.
func memberships(t *testing.T, s *Store, values []string) (members, back int) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		d := tx.Directory("idp")
		var err error
		if members, err = d.MemberCount("g"); err != nil {
			return err
		}
		listed := 0
		for _, err := range d.Members("g") {
			if err != nil {
				return err
			}
			listed++
		}
		if listed != members {
			t.Errorf("%d members are listed, %d by the count", listed, members)
		}
		back = 0
		for _, v := range values {
			for g, err := range d.GroupsOf(v) {
				if err != nil || g.ID != "g" {
					return fmt.Errorf("%s of %q: %w", g.ID, v, err)
				}
				back++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return members, back
}

// tidied waits until no row is loose, and checks the store.
func tidied(t *testing.T, s *Store) {
	t.Helper()
	s.tidiers.Wait()
	if loose, err := s.hasLoose(); err != nil || loose {
		t.Errorf("rows are loose: %v, %v", loose, err)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

func values(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("%03d-%d", i*7919%1000, i))
	}
	return out
}

func addAll(values []string) func(d store.Directory) error {
	return func(d store.Directory) error {
		_, err := d.AddMembers("g", values...)
		return err
	}
}

func removeAll(values []string) func(d store.Directory) error {
	return func(d store.Directory) error {
		_, err := d.RemoveMembers("g", values...)
		return err
	}
}

const manyParts = 10

// largeChanges returns changes of more than a part, of a group with all of the values, or none.
func largeChanges(all []string) map[string]struct {
	full bool
	fn   func(d store.Directory) error
} {
	type change = struct {
		full bool
		fn   func(d store.Directory) error
	}
	return map[string]change{
		"add": {false, addAll(all)},
		"add in pieces": {false, func(d store.Directory) error {
			for piece := range slices.Chunk(all, 3) {
				if err := addAll(piece)(d); err != nil {
					return err
				}
			}
			return nil
		}},
		"remove": {true, removeAll(all)},
		"remove in pieces": {true, func(d store.Directory) error {
			for piece := range slices.Chunk(all, 3) {
				if err := removeAll(piece)(d); err != nil {
					return err
				}
			}
			return nil
		}},
		"delete": {true, func(d store.Directory) error {
			if err := d.DeleteGroup("g"); err != nil {
				return err
			}
			return d.PutGroup(store.Group{ID: "g", DisplayName: "g", Attributes: []byte("{}")})
		}},
	}
}

// Before and after every commit a large change is visible completely or not at all, also after a crash.
func TestLargeChangeIsAtomic(t *testing.T) {
	const part = 8
	all := values(manyParts * part)
	for name, change := range largeChanges(all) {
		t.Run(name, func(t *testing.T) {
			s, path := openInParts(t, part)
			if change.full {
				update(t, s, addAll(all))
			}
			s.tidiers.Wait()
			was := map[bool]int{true: len(all)}[change.full]
			commits := 0
			s.commitHook = func(tx *bbolt.Tx) error {
				commits++
				members, back := memberships(t, s, all)
				if members != back || members != was && members != len(all)-was {
					t.Errorf("before commit %d the group has %d members, %d know of it", commits, members, back)
				}
				err := tx.Commit()
				reopened(t, path, all, len(all)-was)
				return err
			}
			update(t, s, change.fn)
			if members, back := memberships(t, s, all); members != len(all)-was || back != members {
				t.Errorf("the group has %d members, %d know of it", members, back)
			}
			tidied(t, s)
			if commits < manyParts {
				t.Errorf("%d commits", commits)
			}
		})
	}
}

// reopened opens the file as after a crash: it must be consistent, and without loose rows.
func reopened(t *testing.T, path string, all []string, other int) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(copied, b, 0o600)
	}
	if err != nil {
		t.Error(err)
		return
	}
	s, err := Open(copied, Options{})
	if err != nil {
		t.Error(err)
		return
	}
	if members, back := memberships(t, s, all); members != back || members != 0 && members != len(all) {
		t.Errorf("after a crash the group has %d members, %d know of it", members, back)
	}
	tidied(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Other requests get their turn while a large change is prepared and its loose rows are removed.
func TestLargeChangeLetsOthersIn(t *testing.T) {
	const part = 8
	all := values(manyParts * part)
	for name, change := range largeChanges(all) {
		t.Run(name, func(t *testing.T) {
			s, _ := openInParts(t, part)
			if change.full {
				update(t, s, addAll(all))
			}
			s.tidiers.Wait()
			commits, at := 0, 0
			other := make(chan error, 1)
			s.commitHook = func(tx *bbolt.Tx) error {
				switch commits++; {
				case commits == 3:
					go func() { other <- s.Update(context.Background(), set("other")) }()
					for queued := false; !queued; runtime.Gosched() {
						s.mu.Lock()
						queued = len(s.queue) > 0
						s.mu.Unlock()
					}
				case at == 0 && commits > 3 && tx.Bucket([]byte(kv.TopSettings)) != nil:
					at = commits
				}
				return tx.Commit()
			}
			update(t, s, change.fn)
			s.tidiers.Wait()
			if commits < 3 {
				t.Fatalf("%d commits", commits)
			}
			if err := <-other; err != nil {
				t.Fatal(err)
			}
			tidied(t, s)
			if at == 0 || at > 5 {
				t.Errorf("a request that came at commit 3 was committed at %d of %d", at, commits)
			}
		})
	}
}

// A function may make other changes when it runs again, because the directory has changed meanwhile.
func TestLargeChangeThatDiffers(t *testing.T) {
	const part = 8
	all := values(manyParts * part)
	s, _ := openInParts(t, part)
	runs := 0
	update(t, s, func(d store.Directory) error {
		runs++
		_, err := d.AddMembers("g", all[min(runs, kv.MaxSurveys+1):]...)
		return err
	})
	if members, back := memberships(t, s, all); members != len(all)-kv.MaxSurveys-1 || back != members {
		t.Errorf("the group has %d members, %d know of it, after %d runs", members, back, runs)
	}
	tidied(t, s)
}

// A large change returns the same values as a small one, and its event has them.
func TestLargeChangeIsReported(t *testing.T) {
	const part = 8
	all := values(manyParts * part)
	s, _ := openInParts(t, part)
	update(t, s, addAll(all[:5]))
	var seq uint64
	var got []string
	err := s.Update(context.Background(), func(tx store.Tx) (err error) {
		if got, err = tx.Directory("idp").AddMembers("g", append(slices.Clone(all), all[7])...); err != nil {
			return err
		}
		seq, err = tx.Events().Append(store.Event{Type: "group.members", IdP: "idp", Subject: "g", Added: got})
		return err
	})
	if err != nil || !slices.Equal(got, all[5:]) {
		t.Errorf("added %q: %v", got, err)
	}
	err = s.View(context.Background(), func(tx store.Tx) error {
		e, err := tx.Events().Event(seq)
		if !slices.Equal(e.Added, all[5:]) {
			t.Errorf("the event has %q", e.Added)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	tidied(t, s)
}

// Members may be added again or removed while their rows are loose.
func TestLooseRowsChange(t *testing.T) {
	const part = 8
	all := values(manyParts * part)
	s, _ := openInParts(t, part)
	update(t, s, addAll(all))
	s.tidiers.Wait()
	s.large.Lock() // keeps the loose rows
	if err := s.commitJob(context.Background(), func(tx store.Tx) error { return removeAll(all)(tx.Directory("idp")) }); err != nil {
		t.Fatal(err)
	}
	for _, small := range []func(d store.Directory) error{addAll(all[:5]), removeAll(all[3:5]), func(d store.Directory) error {
		return d.PutUser(store.User{ID: all[2], UserName: "u", Attributes: []byte("{}")})
	}, func(d store.Directory) error { return d.DeleteUser(all[2]) }} {
		update(t, s, small)
	}
	if members, back := memberships(t, s, all); members != 2 || back != 2 {
		t.Errorf("the group has %d members, %d know of it", members, back)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	s.large.Unlock()
	tidied(t, s)
}

// A commit with many changes takes no more functions.
func TestCommitIsBounded(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
	many := func(name string) func(store.Tx) error {
		return func(tx store.Tx) error {
			for range maxWrites + 1 {
				if err := set(name)(tx); err != nil {
					return err
				}
			}
			return nil
		}
	}
	errs, commits := together(t, s, many("a"), many("b"), set("c"))
	for i, err := range errs {
		if err != nil || !has(t, s, string(rune('a'+i))) {
			t.Errorf("function %d: %v", i, err)
		}
	}
	if commits != 3 {
		t.Errorf("%d commits, want one for each", commits)
	}
}

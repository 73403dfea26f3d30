package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// Random changes of memberships across the edges of blocks give the same result as a map.
func TestMembersAgainstAMap(t *testing.T) {
	for _, part := range []int{kv.PartSize, 8} {
		t.Run(fmt.Sprint("parts of ", part), func(t *testing.T) { againstAMap(t, part) })
	}
}

func againstAMap(t *testing.T, part int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
	s.part = part
	value := func() string { // of any length, some of them users
		i := rnd.IntN(900)
		return strings.Repeat("x", i%7) + fmt.Sprint(i)
	}
	groups := []string{"a", "b", "c"}
	update := func(fn func(d store.Directory) error) {
		t.Helper()
		if err := s.Update(context.Background(), func(tx store.Tx) error { return fn(tx.Directory("idp")) }); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]map[string]bool{}
	for _, g := range groups {
		want[g] = map[string]bool{}
		update(func(d store.Directory) error {
			return d.PutGroup(store.Group{ID: g, DisplayName: g, Attributes: []byte("{}")})
		})
	}
	for round := range 200 {
		g := groups[rnd.IntN(len(groups))]
		var values, expected []string
		for range 1 + rnd.IntN(100) {
			values = append(values, value())
		}
		add := rnd.IntN(5) > 1
		for _, v := range values {
			if want[g][v] != add {
				expected = append(expected, v)
			}
			if want[g][v] = add; !add {
				delete(want[g], v)
			}
		}
		var got []string
		update(func(d store.Directory) (err error) { // which may run more than once
			do := d.AddMembers
			if !add {
				do = d.RemoveMembers
			}
			got, err = do(g, values...)
			return err
		})
		if !slices.Equal(got, expected) {
			t.Errorf("round %d: changed %q, want %q", round, got, expected)
		}
		switch {
		case round%40 == 39: // a group with all of its members
			update(func(d store.Directory) error { return d.DeleteGroup(g) })
			update(func(d store.Directory) error {
				return d.PutGroup(store.Group{ID: g, DisplayName: g, Attributes: []byte("{}")})
			})
			clear(want[g])
		case round%10 == 9: // a member out of all groups
			v := value()
			update(func(d store.Directory) error {
				return d.PutUser(store.User{ID: v, UserName: v, Attributes: []byte("{}")})
			})
			update(func(d store.Directory) error { return d.DeleteUser(v) })
			for _, g := range groups {
				delete(want[g], v)
			}
		}
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	err := s.View(context.Background(), func(tx store.Tx) error {
		d := tx.Directory("idp")
		for _, g := range groups {
			got := map[string]bool{}
			for m, err := range d.Members(g) {
				if err != nil {
					return err
				}
				got[m.Value] = true
				if in, err := d.IsMember(g, m.Value); !in || err != nil {
					t.Errorf("%q is in %s by the list and not by itself: %v", m.Value, g, err)
				}
			}
			if n, err := d.MemberCount(g); n != len(got) || err != nil || !maps.Equal(got, want[g]) {
				t.Errorf("%s has %d members, %d by the count (%v), want %d", g, len(got), n, err, len(want[g]))
			}
		}
		for i := range 900 {
			v := strings.Repeat("x", i%7) + fmt.Sprint(i)
			for g, err := range d.GroupsOf(v) {
				if err != nil || !want[g.ID][v] {
					t.Errorf("%q is of %s: %v", v, g.ID, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Blocks of any number of members are read as they were written, and few members need few bytes.
func TestBlocksOfAnySize(t *testing.T) {
	key := codec.Pair(1, 2)
	for n := range 1<<codec.BlockBits + 1 {
		var b codec.Block
		for i := range n {
			b.Set(codec.Number(i * 167 % (1 << codec.BlockBits)))
		}
		_, record := codec.SealBlock(nil, key, &b)
		got, err := codec.OpenBlock(key, record)
		if err != nil || got != b || got.Count() != n {
			t.Errorf("%d: %v, %v", n, got, err)
		}
		if len(record) > min(codec.SealSize+n, codec.BlockRecord) {
			t.Errorf("%d take %d bytes", n, len(record))
		}
	}
}

// A block whose members are out of order, or too many, is damaged.
func TestBlocksOutOfOrderAreDamaged(t *testing.T) {
	key := codec.Pair(1, 2)
	for _, payload := range [][]byte{{2, 1}, {1, 1}, bytes.Repeat([]byte{1}, codec.FewInBlock+1)} {
		e := codec.NewRecord(len(payload))
		e.Raw(payload)
		if _, err := codec.OpenBlock(key, e.Seal(key)); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%v: %v", payload, err)
		}
	}
}

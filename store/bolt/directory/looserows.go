package directory

import (
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// A row of member.of is loose if it stands for no membership: of a removed one, or of one that is about to be
// added. The bucket members.loose lists the loose rows, in blocks like those of members.
//
// So a change of any size changes a few blocks: members of a group become loose, or loose ones become
// members. Loose rows are removed in parts after the change or, if the process ends before, by the next Open.

// Loose returns the bucket of the loose rows; nil without any.
func (d *Directory) Loose() *bbolt.Bucket {
	b := d.Bucket(dirLoose)
	if b == nil {
		return nil
	}
	if k, _ := b.Cursor().First(); k == nil {
		return nil
	}
	return b
}

// isLoose reports whether the row of a member is loose.
func isLoose(loose *bbolt.Bucket, g, m codec.Number) (bool, error) {
	if loose == nil {
		return false, nil
	}
	key := codec.BlockKey(g, m)
	b, err := codec.OpenBlock(key, loose.Get(key))
	return b.Has(m), err
}

// Loosen adds loose rows for members that the group is about to get, in the order of their numbers.
func (d *Directory) Loosen(g codec.Number, members []codec.Number) error {
	loose := d.Loose()
	var open []candidate
	for len(members) > 0 {
		key := codec.BlockKey(g, members[0])
		there, err := codec.OpenBlock(key, d.Get(dirMembers, key))
		if err != nil {
			return err
		}
		l, err := codec.OpenBlock(key, kv.Get(loose, key))
		if err != nil {
			return err
		}
		before := len(open)
		for first := members[0] >> codec.BlockBits; len(members) > 0 && members[0]>>codec.BlockBits == first; members = members[1:] {
			if m := members[0]; !there.Has(m) && !l.Has(m) {
				l.Set(m)
				open = append(open, candidate{Number: m})
			}
		}
		if len(open) == before {
			continue
		}
		if err := membershipsOf(d).putBlocks(dirLoose, [][]byte{key}, []codec.Block{l}); err != nil {
			return err
		}
	}
	return membershipsOf(d).back(g, open, true)
}

// loosenAll makes all members of a group loose.
func (d memberships) loosenAll(g codec.Number) error {
	for k, v := range d.Tx.Scan(d.Bucket(dirMembers), g.Key(), 0) {
		key := slices.Clone(k)
		b, err := codec.OpenBlock(key, v)
		if err != nil {
			return err
		}
		l, err := codec.OpenBlock(key, d.Get(dirLoose, key))
		if err != nil {
			return err
		}
		for i := range l {
			l[i] |= b[i]
		}
		if err := d.putBlocks(dirLoose, [][]byte{key}, []codec.Block{l}); err != nil {
			return err
		}
		if err := d.Tx.Del(d.Bucket(dirMembers), key); err != nil {
			return err
		}
	}
	d.Tx.Loosened = true
	return nil
}

// Tighten removes at most a part of the loose rows, except for the groups to keep. It reports whether there may be more.
func (d *Directory) Tighten(part int, keep func(g codec.Number) bool) (more bool, err error) {
	b := d.Loose()
	if b == nil {
		return false, nil
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Seek(k) {
		key := slices.Clone(k)
		if len(key) != 2*codec.NumberSize {
			return false, fmt.Errorf("loose memberships %x: %w", key, store.ErrDamaged)
		}
		g := codec.ToNumber(key)
		if keep(g) {
			if k = (g + 1).Key(); g+1 == 0 {
				return false, nil
			}
			continue
		}
		if part <= 0 {
			return true, nil
		}
		l, err := codec.OpenBlock(key, v)
		if err != nil {
			return false, err
		}
		var rows []candidate
		left := l
		for m := range l.All(codec.ToNumber(key[codec.NumberSize:]) << codec.BlockBits) {
			if len(rows) == part {
				break
			}
			rows = append(rows, candidate{Number: m})
			left.Clear(m)
		}
		if err := membershipsOf(d).back(g, rows, false); err != nil {
			return false, err
		}
		if err := membershipsOf(d).putBlocks(dirLoose, [][]byte{key}, []codec.Block{left}); err != nil {
			return false, err
		}
		part -= len(rows)
		k = key
	}
	return false, nil
}

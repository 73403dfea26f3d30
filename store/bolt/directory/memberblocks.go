package directory

import (
	"fmt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// memberships changes the blocks of a directory.
type memberships struct{ *Directory }

func membershipsOf(d *Directory) memberships { return memberships{d} }

// forth changes the blocks of a group. It returns the candidates that changed, and those of them whose rows
// in member.of must change too, both in order of their numbers. A loose row already fits a new membership.
func (d memberships) forth(g codec.Number, all []candidate, there, late bool) (done, rows []candidate, err error) {
	done = all[:0]
	loose := d.Loose()
	for len(all) > 0 {
		key := codec.BlockKey(g, all[0].Number)
		b, err := codec.OpenBlock(key, d.Get(dirMembers, key))
		if err != nil {
			return nil, nil, err
		}
		l, err := codec.OpenBlock(key, kv.Get(loose, key))
		if err != nil {
			return nil, nil, err
		}
		before, was := len(done), l
		for first := all[0].Number >> codec.BlockBits; len(all) > 0 && all[0].Number>>codec.BlockBits == first; all = all[1:] {
			m := all[0].Number
			if b.Has(m) == there {
				continue
			}
			done = append(done, all[0])
			switch {
			case there && l.Has(m):
				b.Set(m)
				l.Clear(m)
			case there:
				b.Set(m)
				rows = append(rows, done[len(done)-1])
			case late:
				b.Clear(m)
				l.Set(m)
			default:
				b.Clear(m)
				rows = append(rows, done[len(done)-1])
			}
		}
		if len(done) > before {
			err = d.putBlocks(dirMembers, [][]byte{key}, []codec.Block{b})
		}
		if err == nil && l != was {
			err = d.putBlocks(dirLoose, [][]byte{key}, []codec.Block{l})
		}
		if err != nil {
			return nil, nil, err
		}
	}
	d.Tx.Loosened = d.Tx.Loosened || late
	return done, rows, nil
}

// back changes the blocks of the members. It reads all before it writes the first, because a write
// invalidates the cursor.
func (d memberships) back(g codec.Number, members []candidate, there bool) error {
	if len(members) == 0 {
		return nil
	}
	rows := kv.SeekCursor{Tx: d.Tx, Bucket: d.Bucket(dirMemberOf), Width: 2 * codec.NumberSize}
	keys, blocks := make([][]byte, len(members)), make([]codec.Block, len(members))
	for i, m := range members {
		keys[i] = codec.BlockKey(m.Number, g)
		b, err := codec.OpenBlock(keys[i], rows.Get(uint64(m.Number)<<32|uint64(g>>codec.BlockBits)))
		if err != nil {
			return err
		}
		if b.Has(g) == there {
			return fmt.Errorf("member number %d and group number %d disagree: %w", m.Number, g, store.ErrDamaged)
		}
		if there {
			b.Set(g)
		} else {
			b.Clear(g)
		}
		blocks[i] = b
	}
	return d.putBlocks(dirMemberOf, keys, blocks)
}

// putBlocks stores blocks, and removes empty ones.
func (d memberships) putBlocks(bucket string, keys [][]byte, blocks []codec.Block) error {
	b, err := d.Make(bucket)
	if err != nil {
		return err
	}
	room, record := make([]byte, 0, len(blocks)*codec.BlockRecord), []byte(nil) // bbolt keeps the slices until the commit
	for i := range blocks {
		if blocks[i].Empty() {
			err = d.Tx.Del(b, keys[i])
		} else {
			room, record = codec.SealBlock(room, keys[i], &blocks[i])
			err = d.Tx.Put(b, keys[i], record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveAll removes the member from all its groups.
func (d memberships) leaveAll(m codec.Number) error {
	var groups []codec.Number
	for g, err := range d.groupsOf(m) {
		if err != nil {
			return fmt.Errorf("groups of number %d: %w", m, err)
		}
		groups = append(groups, g)
	}
	for _, g := range groups {
		done, rows, err := d.forth(g, []candidate{{Number: m}}, false, false)
		if err == nil && len(done) == 0 {
			err = fmt.Errorf("member number %d and group number %d disagree: %w", m, g, store.ErrDamaged)
		}
		if err == nil {
			err = d.back(g, rows, false)
		}
		if err == nil {
			err = d.grow(g, -1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// empty removes all members of the group.
func (d memberships) empty(g codec.Number) error {
	size, err := d.size(g)
	if err != nil {
		return err
	}
	if size > d.Tx.Part {
		if err := d.loosenAll(g); err != nil {
			return err
		}
		return d.setSize(g, 0)
	}
	var all []candidate
	for m, err := range d.linked(dirMembers, g) {
		if err != nil {
			return fmt.Errorf("members of group number %d: %w", g, err)
		}
		all = append(all, candidate{Number: m})
	}
	_, rows, err := d.forth(g, all, false, false)
	if err == nil {
		err = d.back(g, rows, false)
	}
	if err != nil {
		return err
	}
	return d.setSize(g, 0)
}

package bolt

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

// maxValue is what the port allows for a member value.
const maxValue = 1024

// group gives the number of a group that exists.
func (d *directory) group(id string) (number, error) {
	n, ok, err := d.number(id)
	if err != nil {
		return 0, err
	}
	if !ok || !d.exists(groupKind(), n) {
		return 0, fmt.Errorf("group %q: %w", id, store.ErrNotFound)
	}
	return n, nil
}

func (d *directory) size(group number) (int, error) {
	key := group.key()
	record := d.get(dirSizes, key)
	if record == nil {
		return 0, nil
	}
	n, err := openUint(key, record)
	if err != nil {
		return 0, fmt.Errorf("member count of group number %d: %w", group, err)
	}
	return int(n), nil
}

func (d *directory) setSize(group number, size int) error {
	key := group.key()
	if size == 0 {
		return d.tx.del(d.bucket(dirSizes), key)
	}
	b, err := d.make(dirSizes)
	if err != nil {
		return err
	}
	return d.tx.put(b, key, sealUint(key, uint64(size)))
}

func (d *directory) AddMembers(group string, values ...string) ([]string, error) {
	d.tx.write()
	g, err := d.group(group)
	if err != nil {
		return nil, fmt.Errorf("add members: %w", err)
	}
	all := make([]candidate, 0, len(values))
	for i, v := range values {
		if len(v) > maxValue {
			return nil, fmt.Errorf("add members: value of %d bytes, over %d", len(v), maxValue)
		}
		m, err := d.intern(v)
		if err != nil {
			return nil, fmt.Errorf("add members: %w", err)
		}
		all = append(all, candidate{m, i})
	}
	return d.change(g, values, all, true)
}

func (d *directory) RemoveMembers(group string, values ...string) ([]string, error) {
	d.tx.write()
	g, err := d.group(group)
	if err != nil {
		return nil, fmt.Errorf("remove members: %w", err)
	}
	all := make([]candidate, 0, len(values))
	for i, v := range values {
		m, ok, err := d.number(v)
		if err != nil {
			return nil, fmt.Errorf("remove members: %w", err)
		}
		if ok {
			all = append(all, candidate{m, i})
		}
	}
	return d.change(g, values, all, false)
}

// candidate is a value with its number and its place among those given.
type candidate struct {
	number
	at int
}

// change makes memberships be there, or not, in both directions, and keeps the group's size. It works in the order of the
// members' numbers, in which their blocks lie side by side.
func (d *directory) change(g number, values []string, all []candidate, there bool) ([]string, error) {
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.at, b.at)) })
	done, err := d.forth(g, all, there)
	if err != nil || len(done) == 0 {
		return nil, err
	}
	if err := d.back(g, done, there); err != nil {
		return nil, err
	}
	slices.SortFunc(done, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	changed, numbers := make([]string, len(done)), make([]number, len(done))
	for i, c := range done {
		changed[i], numbers[i] = values[c.at], c.number
	}
	d.changed, d.changedNumbers = changed, numbers
	by := len(done)
	if !there {
		by = -by
	}
	return changed, d.grow(g, by)
}

// numbers is number for the members of the last change first, in their order: the event of a change names them.
func (d *directory) numbers() func(id string) (number, bool, error) {
	next := 0
	return func(id string) (number, bool, error) {
		if next < len(d.changed) && d.changed[next] == id {
			next++
			return d.changedNumbers[next-1], true, nil
		}
		return d.number(id)
	}
}

// grow changes the count of a group's members.
func (d *directory) grow(g number, by int) error {
	size, err := d.size(g)
	if err != nil {
		return err
	}
	if size += by; size < 0 {
		return fmt.Errorf("member count of group number %d: too low: %w", g, store.ErrDamaged)
	}
	return d.setSize(g, size)
}

// forth changes the blocks of a group and returns the candidates, in order of their numbers, for which that changed something.
func (d *directory) forth(g number, all []candidate, there bool) ([]candidate, error) {
	done := all[:0]
	for len(all) > 0 {
		key := blockKey(g, all[0].number)
		b, err := openBlock(key, d.get(dirMembers, key))
		if err != nil {
			return nil, err
		}
		before := len(done)
		for first := all[0].number >> blockBits; len(all) > 0 && all[0].number>>blockBits == first; all = all[1:] {
			switch m := all[0].number; {
			case b.has(m) == there:
				continue
			case there:
				b.set(m)
			default:
				b.clear(m)
			}
			done = append(done, all[0])
		}
		if len(done) == before {
			continue
		}
		if err := d.putBlocks(dirMembers, [][]byte{key}, []block{b}); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// back changes the blocks of the members. All are read before the first is written: a write makes reading in order lose its
// place.
func (d *directory) back(g number, members []candidate, there bool) error {
	rows := follower{tx: d.tx, bucket: d.bucket(dirMemberOf), width: 2 * numberSize}
	keys, blocks := make([][]byte, len(members)), make([]block, len(members))
	for i, m := range members {
		keys[i] = blockKey(m.number, g)
		b, err := openBlock(keys[i], rows.get(uint64(m.number)<<32|uint64(g>>blockBits)))
		if err != nil {
			return err
		}
		if b.has(g) == there {
			return fmt.Errorf("member number %d and group number %d disagree: %w", m.number, g, store.ErrDamaged)
		}
		if there {
			b.set(g)
		} else {
			b.clear(g)
		}
		blocks[i] = b
	}
	return d.putBlocks(dirMemberOf, keys, blocks)
}

// putBlocks stores blocks; those that are empty go.
func (d *directory) putBlocks(bucket string, keys [][]byte, blocks []block) error {
	b, err := d.make(bucket)
	if err != nil {
		return err
	}
	room, record := make([]byte, 0, len(blocks)*blockRecord), []byte(nil) // bbolt keeps what it is given until the commit
	for i := range blocks {
		if blocks[i].empty() {
			err = d.tx.del(b, keys[i])
		} else {
			room, record = sealBlock(room, keys[i], &blocks[i])
			err = d.tx.put(b, keys[i], record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveAll removes the member from every group it is in.
func (d *directory) leaveAll(m number) error {
	var groups []number
	for g, err := range d.linked(dirMemberOf, m) {
		if err != nil {
			return fmt.Errorf("groups of number %d: %w", m, err)
		}
		groups = append(groups, g)
	}
	for _, g := range groups {
		one := []candidate{{number: m}}
		done, err := d.forth(g, one, false)
		if err == nil && len(done) == 0 {
			err = fmt.Errorf("member number %d and group number %d disagree: %w", m, g, store.ErrDamaged)
		}
		if err == nil {
			err = d.back(g, done, false)
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
func (d *directory) empty(g number) error {
	var all []candidate
	for m, err := range d.linked(dirMembers, g) {
		if err != nil {
			return fmt.Errorf("members of group number %d: %w", g, err)
		}
		all = append(all, candidate{number: m})
	}
	done, err := d.forth(g, all, false)
	if err == nil {
		err = d.back(g, done, false)
	}
	if err != nil {
		return err
	}
	return d.setSize(g, 0)
}

func (d *directory) IsMember(group, value string) (bool, error) {
	g, err := d.group(group)
	if err != nil {
		return false, fmt.Errorf("is member: %w", err)
	}
	m, ok, err := d.number(value)
	if err != nil || !ok {
		return false, err
	}
	key := blockKey(g, m)
	b, err := openBlock(key, d.get(dirMembers, key))
	return b.has(m), err
}

// Members comes in the order in which the directory first heard of the values.
func (d *directory) Members(group string) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		g, err := d.group(group)
		if err != nil {
			yield(store.Member{}, fmt.Errorf("members: %w", err))
			return
		}
		names := d.names()
		var list []store.Member
		for k, v := range d.tx.scan(d.bucket(dirMembers), g.key(), 0) {
			b, err := openBlock(k, v)
			if err == nil {
				list, err = named(list[:0], &names, &b, toNumber(k[numberSize:])<<blockBits)
			}
			if err != nil {
				yield(store.Member{}, fmt.Errorf("members of group %q: %w", group, err))
				return
			}
			for _, m := range list {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// named appends the members of a block with their names, which share one string: a group can have a million.
func named(list []store.Member, names *nameReader, b *block, first number) ([]store.Member, error) {
	var text strings.Builder
	text.Grow(b.count() * 36) // most are UUIDs
	for n := range b.all(first) {
		name, err := names.of(n)
		if err != nil {
			return nil, err
		}
		from := text.Len()
		text.Write(name.id)
		list = append(list, store.Member{Value: text.String()[from:], User: name.is == nameOfUser, Group: name.is == nameOfGroup})
	}
	return list, nil
}

func (d *directory) MemberCount(group string) (int, error) {
	g, err := d.group(group)
	if err != nil {
		return 0, fmt.Errorf("member count: %w", err)
	}
	return d.size(g)
}

func (d *directory) GroupsOf(member string) iter.Seq2[store.Group, error] {
	return func(yield func(store.Group, error) bool) {
		m, ok, err := d.number(member)
		if err != nil {
			yield(store.Group{}, fmt.Errorf("groups of %q: %w", member, err))
			return
		}
		if !ok {
			return
		}
		for g, err := range d.linked(dirMemberOf, m) {
			var r row[store.Group]
			if err == nil {
				if r, err = d.readGroup(g); isMissing(err) {
					err = store.ErrDamaged // a membership of no group
				}
			}
			if err != nil {
				err = fmt.Errorf("groups of %q: %w", member, err)
			}
			if !yield(r.val, err) || err != nil {
				return
			}
		}
	}
}

package bolt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

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

// AddMembers works through the values in the order of their numbers, in which their rows lie side by side.
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
	members, err := d.make(dirMembers)
	if err != nil {
		return nil, err
	}
	memberOf, err := d.make(dirMemberOf)
	if err != nil {
		return nil, err
	}
	there := follower{tx: d.tx, bucket: members}
	key, back := pair(g, 0), pair(0, g) // bbolt keeps copies
	return d.change(g, values, all, 1, func(m number) (bool, error) {
		binary.BigEndian.PutUint32(key[numberSize:], uint32(m))
		binary.BigEndian.PutUint32(back, uint32(m))
		if there.get(key) != nil {
			return false, nil
		}
		if err := d.tx.put(members, key, []byte{}); err != nil {
			return false, err
		}
		return true, d.tx.put(memberOf, back, []byte{})
	})
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
	return d.change(g, values, all, -1, func(m number) (bool, error) {
		if d.get(dirMembers, pair(g, m)) == nil {
			return false, nil
		}
		return true, d.unlink(g, m)
	})
}

// candidate is a value with its number and its place among those given.
type candidate struct {
	number
	at int
}

// change does something for each candidate and keeps the group's size.
func (d *directory) change(g number, values []string, all []candidate, by int, do func(number) (bool, error)) ([]string, error) {
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.number, b.number) })
	done := all[:0]
	for _, c := range all {
		ok, err := do(c.number)
		if err != nil {
			return nil, err
		}
		if ok {
			done = append(done, c)
		}
	}
	if len(done) == 0 {
		return nil, nil
	}
	size, err := d.size(g)
	if err != nil {
		return nil, err
	}
	if size += by * len(done); size < 0 {
		return nil, fmt.Errorf("member count of group number %d: too low: %w", g, store.ErrDamaged)
	}
	slices.SortFunc(done, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	changed := make([]string, len(done))
	for i, c := range done {
		changed[i] = values[c.at]
	}
	return changed, d.setSize(g, size)
}

// unlink removes the two rows of a membership.
func (d *directory) unlink(g, m number) error {
	if err := d.tx.del(d.bucket(dirMembers), pair(g, m)); err != nil {
		return err
	}
	return d.tx.del(d.bucket(dirMemberOf), pair(m, g))
}

// leave removes a membership that exists.
func (d *directory) leave(g, m number) error {
	size, err := d.size(g)
	if err != nil {
		return err
	}
	if size == 0 {
		return fmt.Errorf("member count of group number %d: too low: %w", g, store.ErrDamaged)
	}
	if err := d.unlink(g, m); err != nil {
		return err
	}
	return d.setSize(g, size-1)
}

// leaveAll removes the member from every group it is in.
func (d *directory) leaveAll(m number) error {
	for k := range d.tx.scan(d.bucket(dirMemberOf), m.key(), 0) {
		if len(k) != 2*numberSize {
			return fmt.Errorf("membership of number %d: %w", m, store.ErrDamaged)
		}
		if err := d.leave(toNumber(k[numberSize:]), m); err != nil {
			return err
		}
	}
	return nil
}

// empty removes all members of the group.
func (d *directory) empty(g number) error {
	for k := range d.tx.scan(d.bucket(dirMembers), g.key(), 0) {
		if len(k) != 2*numberSize {
			return fmt.Errorf("member of group number %d: %w", g, store.ErrDamaged)
		}
		m := toNumber(k[numberSize:])
		if err := d.tx.del(d.bucket(dirMembers), pair(g, m)); err != nil {
			return err
		}
		if err := d.tx.del(d.bucket(dirMemberOf), pair(m, g)); err != nil {
			return err
		}
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
	return d.get(dirMembers, pair(g, m)) != nil, nil
}

// Members comes in the order in which the directory first heard of the values.
func (d *directory) Members(group string) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		g, err := d.group(group)
		if err != nil {
			yield(store.Member{}, fmt.Errorf("members: %w", err))
			return
		}
		names := follower{tx: d.tx, bucket: d.bucket(dirNames)}
		for k := range d.tx.scan(d.bucket(dirMembers), g.key(), 0) {
			var m store.Member
			var is byte
			err := error(store.ErrDamaged)
			if len(k) == 2*numberSize {
				m.Value, is, err = openName(k[numberSize:], names.get(k[numberSize:]))
				m.User, m.Group = is == nameOfUser, is == nameOfGroup
			}
			if err != nil {
				err = fmt.Errorf("members of group %q: %w", group, err)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
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
		for k := range d.tx.scan(d.bucket(dirMemberOf), m.key(), 0) {
			var r row[store.Group]
			err := error(store.ErrDamaged)
			if len(k) == 2*numberSize {
				if r, err = d.readGroup(toNumber(k[numberSize:])); isMissing(err) {
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

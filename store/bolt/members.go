package bolt

import (
	"fmt"
	"iter"

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
	record := get(d.bucket(dirSizes), key)
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

func (d *directory) AddMember(group, value string) (bool, error) {
	d.tx.write()
	if len(value) > maxValue {
		return false, fmt.Errorf("add member: value of %d bytes, over %d", len(value), maxValue)
	}
	g, err := d.group(group)
	if err != nil {
		return false, fmt.Errorf("add member: %w", err)
	}
	m, err := d.intern(value)
	if err != nil {
		return false, fmt.Errorf("add member: %w", err)
	}
	if get(d.bucket(dirMembers), pair(g, m)) != nil {
		return false, nil
	}
	size, err := d.size(g)
	if err != nil {
		return false, err
	}
	members, err := d.make(dirMembers)
	if err != nil {
		return false, err
	}
	memberOf, err := d.make(dirMemberOf)
	if err != nil {
		return false, err
	}
	if err := d.tx.put(members, pair(g, m), []byte{}); err != nil {
		return false, err
	}
	if err := d.tx.put(memberOf, pair(m, g), []byte{}); err != nil {
		return false, err
	}
	return true, d.setSize(g, size+1)
}

func (d *directory) RemoveMember(group, value string) (bool, error) {
	d.tx.write()
	g, err := d.group(group)
	if err != nil {
		return false, fmt.Errorf("remove member: %w", err)
	}
	m, ok, err := d.number(value)
	if err != nil {
		return false, fmt.Errorf("remove member: %w", err)
	}
	if !ok || get(d.bucket(dirMembers), pair(g, m)) == nil {
		return false, nil
	}
	return true, d.leave(g, m)
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
	if err := d.tx.del(d.bucket(dirMembers), pair(g, m)); err != nil {
		return err
	}
	if err := d.tx.del(d.bucket(dirMemberOf), pair(m, g)); err != nil {
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
	return get(d.bucket(dirMembers), pair(g, m)) != nil, nil
}

// Members comes in the order in which the directory first heard of the values.
func (d *directory) Members(group string) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		g, err := d.group(group)
		if err != nil {
			yield(store.Member{}, fmt.Errorf("members: %w", err))
			return
		}
		for k := range d.tx.scan(d.bucket(dirMembers), g.key(), 0) {
			var m store.Member
			err := fmt.Errorf("members of group %q: %w", group, store.ErrDamaged)
			if len(k) == 2*numberSize {
				n := toNumber(k[numberSize:])
				m.User = d.exists(userKind(), n)
				m.Group = !m.User && d.exists(groupKind(), n)
				m.Value, err = d.name(n)
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

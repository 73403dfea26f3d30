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
	for _, v := range values {
		if len(v) > maxValue {
			return nil, fmt.Errorf("add members: value of %d bytes, over %d", len(v), maxValue)
		}
	}
	numbers, noted := d.foresee(group, values, true)
	if noted {
		return values, nil
	}
	if numbers == nil {
		if numbers, err = d.internAll(values); err != nil {
			return nil, fmt.Errorf("add members: %w", err)
		}
	}
	return d.change(g, values, candidates(numbers), true, false)
}

func (d *directory) RemoveMembers(group string, values ...string) ([]string, error) {
	d.tx.write()
	g, err := d.group(group)
	if err != nil {
		return nil, fmt.Errorf("remove members: %w", err)
	}
	numbers, noted := d.foresee(group, values, false)
	if noted {
		return values, nil
	}
	prepared := numbers != nil
	if !prepared {
		numbers = make([]number, len(values))
		for i, v := range values {
			if numbers[i], _, err = d.number(v); err != nil {
				return nil, fmt.Errorf("remove members: %w", err)
			}
		}
	}
	return d.change(g, values, candidates(numbers), false, prepared || len(values) > d.tx.part)
}

// candidate is a value with its number and its place among those given.
type candidate struct {
	number
	at int
}

// candidates leaves out what has no number.
func candidates(numbers []number) []candidate {
	all := make([]candidate, 0, len(numbers))
	for i, n := range numbers {
		if n != 0 {
			all = append(all, candidate{n, i})
		}
	}
	return all
}

// change makes memberships be there, or not, and keeps the group's size. It works in the order of the members' numbers, in which
// their blocks lie side by side. The rows of members that are removed late become loose: see loose.go.
func (d *directory) change(g number, values []string, all []candidate, there, late bool) ([]string, error) {
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.at, b.at)) })
	done, rows, err := d.forth(g, all, there, late)
	if err != nil || len(done) == 0 {
		return nil, err
	}
	if err := d.back(g, rows, there); err != nil {
		return nil, err
	}
	slices.SortFunc(done, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	changed, numbers := make([]string, len(done)), make([]number, len(done))
	for i, c := range done {
		changed[i], numbers[i] = values[c.at], c.number
	}
	d.recent.note(d.tx.job, changed, numbers, there)
	by := len(done)
	if !there {
		by = -by
	}
	return changed, d.grow(g, by)
}

// recent is the members that a function has added and removed, with their numbers: its events name them next.
type recent struct {
	job     *job
	values  [2][]string // removed, added
	numbers [2][]number
}

func (r *recent) note(j *job, values []string, numbers []number, added bool) {
	if r.job != j {
		*r = recent{job: j}
	}
	i := 0
	if added {
		i = 1
	}
	r.values[i] = append(slices.Clip(r.values[i]), values...)
	r.numbers[i] = append(slices.Clip(r.numbers[i]), numbers...)
}

// numbers is number for the members of recent changes first, in their order.
func (d *directory) numbers() func(id string) (number, bool, error) {
	r := d.recent
	var next [2]int
	return func(id string) (number, bool, error) {
		for i, values := range r.values {
			for at := next[i]; at < min(next[i]+near, len(values)); at++ {
				if values[at] == id {
					next[i] = at + 1
					return r.numbers[i][at], true, nil
				}
			}
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

// forth changes the blocks of a group. It returns the candidates for which that changed something, and those of them whose rows in
// member.of have to change with it, both in order of their numbers. A row that is loose already has what a new membership needs.
func (d *directory) forth(g number, all []candidate, there, late bool) (done, rows []candidate, err error) {
	done = all[:0]
	loose := d.loose()
	for len(all) > 0 {
		key := blockKey(g, all[0].number)
		b, err := openBlock(key, d.get(dirMembers, key))
		if err != nil {
			return nil, nil, err
		}
		l, err := openBlock(key, get(loose, key))
		if err != nil {
			return nil, nil, err
		}
		before, was := len(done), l
		for first := all[0].number >> blockBits; len(all) > 0 && all[0].number>>blockBits == first; all = all[1:] {
			m := all[0].number
			if b.has(m) == there {
				continue
			}
			done = append(done, all[0])
			switch {
			case there && l.has(m):
				b.set(m)
				l.clear(m)
			case there:
				b.set(m)
				rows = append(rows, done[len(done)-1])
			case late:
				b.clear(m)
				l.set(m)
			default:
				b.clear(m)
				rows = append(rows, done[len(done)-1])
			}
		}
		if len(done) > before {
			err = d.putBlocks(dirMembers, [][]byte{key}, []block{b})
		}
		if err == nil && l != was {
			err = d.putBlocks(dirLoose, [][]byte{key}, []block{l})
		}
		if err != nil {
			return nil, nil, err
		}
	}
	d.tx.loosened = d.tx.loosened || late
	return done, rows, nil
}

// back changes the blocks of the members. All are read before the first is written: a write makes reading in order lose its
// place.
func (d *directory) back(g number, members []candidate, there bool) error {
	if len(members) == 0 {
		return nil
	}
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
	for g, err := range d.groupsOf(m) {
		if err != nil {
			return fmt.Errorf("groups of number %d: %w", m, err)
		}
		groups = append(groups, g)
	}
	for _, g := range groups {
		done, rows, err := d.forth(g, []candidate{{number: m}}, false, false)
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
func (d *directory) empty(g number) error {
	size, err := d.size(g)
	if err != nil {
		return err
	}
	if size > d.tx.part {
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
		all = append(all, candidate{number: m})
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

// groupsOf yields the numbers of the groups of a member. Rows that are loose are left out.
func (d *directory) groupsOf(m number) iter.Seq2[number, error] {
	return func(yield func(number, error) bool) {
		loose := d.loose()
		for g, err := range d.linked(dirMemberOf, m) {
			if err == nil && loose != nil {
				var is bool
				if is, err = isLoose(loose, g, m); is {
					continue
				}
			}
			if !yield(g, err) || err != nil {
				return
			}
		}
	}
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
		for g, err := range d.groupsOf(m) {
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

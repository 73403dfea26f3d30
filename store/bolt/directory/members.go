package directory

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// maxValue is what the port allows for a member value.
const maxValue = 1024

// group returns the number of an existing group.
func (d *Directory) group(id string) (codec.Number, error) {
	n, ok, err := d.Number(id)
	if err != nil {
		return 0, err
	}
	if !ok || !d.exists(groupKind(), n) {
		return 0, fmt.Errorf("group %q: %w", id, store.ErrNotFound)
	}
	return n, nil
}

func (d memberships) size(group codec.Number) (int, error) {
	key := group.Key()
	record := d.Get(dirSizes, key)
	if record == nil {
		return 0, nil
	}
	n, err := codec.OpenUint(key, record)
	if err != nil {
		return 0, fmt.Errorf("member count of group number %d: %w", group, err)
	}
	return int(n), nil
}

func (d memberships) setSize(group codec.Number, size int) error {
	key := group.Key()
	if size == 0 {
		return d.Tx.Del(d.Bucket(dirSizes), key)
	}
	b, err := d.Make(dirSizes)
	if err != nil {
		return err
	}
	return d.Tx.Put(b, key, codec.SealUint(key, uint64(size)))
}

// AddMembers implements store.Directory.
func (d *Directory) AddMembers(group string, values ...string) ([]string, error) {
	d.Tx.Write()
	g, err := d.group(group)
	if err != nil {
		return nil, fmt.Errorf("add members: %w", err)
	}
	for _, v := range values {
		if len(v) > maxValue {
			return nil, fmt.Errorf("add members: value of %d bytes, over %d", len(v), maxValue)
		}
	}
	numbers, noted := membershipsOf(d).foresee(group, values, true)
	if noted {
		return values, nil
	}
	if numbers == nil {
		if numbers, err = d.InternAll(values); err != nil {
			return nil, fmt.Errorf("add members: %w", err)
		}
	}
	return membershipsOf(d).change(g, values, candidates(numbers), true, false)
}

// RemoveMembers implements store.Directory.
func (d *Directory) RemoveMembers(group string, values ...string) ([]string, error) {
	d.Tx.Write()
	g, err := d.group(group)
	if err != nil {
		return nil, fmt.Errorf("remove members: %w", err)
	}
	numbers, noted := membershipsOf(d).foresee(group, values, false)
	if noted {
		return values, nil
	}
	prepared := numbers != nil
	if !prepared {
		numbers = make([]codec.Number, len(values))
		for i, v := range values {
			if numbers[i], _, err = d.Number(v); err != nil {
				return nil, fmt.Errorf("remove members: %w", err)
			}
		}
	}
	return membershipsOf(d).change(g, values, candidates(numbers), false, prepared || len(values) > d.Tx.Part)
}

// candidate is a value with its number and its place in the arguments.
type candidate struct {
	codec.Number
	at int
}

// candidates leaves out values without a number.
func candidates(numbers []codec.Number) []candidate {
	all := make([]candidate, 0, len(numbers))
	for i, n := range numbers {
		if n != 0 {
			all = append(all, candidate{n, i})
		}
	}
	return all
}

// change adds or removes memberships and updates the size of the group. It works in the order of the members'
// numbers, in which their blocks are adjacent. Rows whose removal is postponed become loose: see
// looserows.go.
func (d memberships) change(g codec.Number, values []string, all []candidate, there, late bool) ([]string, error) {
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.at, b.at)) })
	done, rows, err := d.forth(g, all, there, late)
	if err != nil || len(done) == 0 {
		return nil, err
	}
	if err := d.back(g, rows, there); err != nil {
		return nil, err
	}
	slices.SortFunc(done, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	changed, numbers := make([]string, len(done)), make([]codec.Number, len(done))
	for i, c := range done {
		changed[i], numbers[i] = values[c.at], c.Number
	}
	d.recents().note(d.Tx.Plan, changed, numbers, there)
	by := len(done)
	if !there {
		by = -by
	}
	return changed, d.grow(g, by)
}

// grow changes the count of a group's members.
func (d memberships) grow(g codec.Number, by int) error {
	size, err := d.size(g)
	if err != nil {
		return err
	}
	if size += by; size < 0 {
		return fmt.Errorf("member count of group number %d: too low: %w", g, store.ErrDamaged)
	}
	return d.setSize(g, size)
}

// groupsOf yields the numbers of the groups of a member, without loose rows.
func (d memberships) groupsOf(m codec.Number) iter.Seq2[codec.Number, error] {
	return func(yield func(codec.Number, error) bool) {
		loose := d.Loose()
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

// IsMember implements store.Directory.
func (d *Directory) IsMember(group, value string) (bool, error) {
	g, err := d.group(group)
	if err != nil {
		return false, fmt.Errorf("is member: %w", err)
	}
	m, ok, err := d.Number(value)
	if err != nil || !ok {
		return false, err
	}
	key := codec.BlockKey(g, m)
	b, err := codec.OpenBlock(key, d.Get(dirMembers, key))
	return b.Has(m), err
}

// Members lists in the order in which the directory first had the values.
func (d *Directory) Members(group string) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		g, err := d.group(group)
		if err != nil {
			yield(store.Member{}, fmt.Errorf("members: %w", err))
			return
		}
		names := namesOf(d).names()
		var list []store.Member
		for k, v := range d.Tx.Scan(d.Bucket(dirMembers), g.Key(), 0) {
			b, err := codec.OpenBlock(k, v)
			if err == nil {
				list, err = named(list[:0], &names, &b, codec.ToNumber(k[codec.NumberSize:])<<codec.BlockBits)
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
func named(list []store.Member, names *nameReader, b *codec.Block, first codec.Number) ([]store.Member, error) {
	var text strings.Builder
	text.Grow(b.Count() * 36) // most are UUIDs
	for n := range b.All(first) {
		name, err := names.of(n)
		if err != nil {
			return nil, err
		}
		from := text.Len()
		text.Write(name.Id)
		list = append(list, store.Member{Value: text.String()[from:], User: name.Is == codec.NameOfUser, Group: name.Is == codec.NameOfGroup})
	}
	return list, nil
}

// MemberCount implements store.Directory.
func (d *Directory) MemberCount(group string) (int, error) {
	g, err := d.group(group)
	if err != nil {
		return 0, fmt.Errorf("member count: %w", err)
	}
	return membershipsOf(d).size(g)
}

// GroupsOf implements store.Directory.
func (d *Directory) GroupsOf(member string) iter.Seq2[store.Group, error] {
	return func(yield func(store.Group, error) bool) {
		m, ok, err := d.Number(member)
		if err != nil {
			yield(store.Group{}, fmt.Errorf("groups of %q: %w", member, err))
			return
		}
		if !ok {
			return
		}
		for g, err := range membershipsOf(d).groupsOf(m) {
			var r Row[store.Group]
			if err == nil {
				if r, err = read(d, groups(), g); kv.IsMissing(err) {
					err = store.ErrDamaged // a membership of no group
				}
			}
			if err != nil {
				err = fmt.Errorf("groups of %q: %w", member, err)
			}
			if !yield(r.Val, err) || err != nil {
				return
			}
		}
	}
}

// foresee calls Ask for a change of the directory. Outside of a job no change is prepared.
func (d memberships) foresee(group string, values []string, add bool) (numbers []codec.Number, noted bool) {
	if d.Tx.Plan == nil {
		return nil, false
	}
	return d.Tx.Plan.Ask(d.Tx.Part, kv.Change{IdP: d.Namespace.Name, Group: group, Values: values, Add: add})
}

// linked yields the numbers in the blocks of owner, in order. The blocks may be changed meanwhile.
func (d memberships) linked(bucket string, owner codec.Number) iter.Seq2[codec.Number, error] {
	return func(yield func(codec.Number, error) bool) {
		for k, v := range d.Tx.Scan(d.Bucket(bucket), owner.Key(), 0) {
			b, err := codec.OpenBlock(k, v)
			if err != nil {
				yield(0, err)
				return
			}
			for n := range b.All(codec.ToNumber(k[codec.NumberSize:]) << codec.BlockBits) {
				if !yield(n, nil) {
					return
				}
			}
		}
	}
}

package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// nameBits is how many bits of a number are within a record of names: sixteen names lie together, since the list of a large
// group reads all of them. Numbers begin with 1, which is the first of the first record.
const nameBits = 4

// What a name is of: kept with it, so that a list of members need not look for each.
const (
	nameOfNothing byte = iota
	nameOfUser
	nameOfGroup
)

// nameOf is an id or member value as it lies in the file: it lives as long as the transaction.
type nameOf struct {
	id []byte
	is byte
}

// sheet is the names of a record, the first ones of its sixteen numbers.
type sheet struct {
	names [1 << nameBits]nameOf
	n     int
}

// place says on which sheet the name of a number stands, and where.
func (n number) place() (sheet number, at int) {
	return (n - 1) >> nameBits, int((n - 1) & (1<<nameBits - 1))
}

// open reads a sheet; one that is not stored is empty.
func (s *sheet) open(key, record []byte) error {
	s.n = 0
	if record == nil {
		return nil
	}
	payload, err := unseal(key, record)
	if err != nil {
		return fmt.Errorf("names %x: %w", key, err)
	}
	for ; len(payload) > 0; s.n++ {
		is := payload[0]
		size, width := binary.Uvarint(payload[1:])
		from := 1 + width
		if s.n == len(s.names) || is > nameOfGroup || width <= 0 || size > uint64(len(payload)-from) {
			return fmt.Errorf("names %x: %w", key, store.ErrDamaged)
		}
		s.names[s.n] = nameOf{payload[from : from+int(size)], is}
		payload = payload[from+int(size):]
	}
	return nil
}

func (s *sheet) seal(key []byte) []byte {
	size := 0
	for _, e := range s.names[:s.n] {
		size += 1 + binary.MaxVarintLen16 + len(e.id)
	}
	r := newRecord(size)
	for _, e := range s.names[:s.n] {
		r.byte(e.is)
		r.uint(uint64(len(e.id)))
		r.raw(e.id)
	}
	return r.seal(key)
}

// number looks an id up; false if nobody ever mentioned it.
func (d *directory) number(id string) (number, bool, error) {
	key := makeKey(id)
	v := d.get(dirIDs, key)
	if v == nil {
		return 0, false, nil
	}
	if len(v) != 2*numberSize || checksum(recordVersion, key, v[:numberSize]) != binary.BigEndian.Uint32(v[numberSize:]) {
		return 0, false, fmt.Errorf("number of %q: %w", id, store.ErrDamaged)
	}
	return toNumber(v), true, nil
}

// intern gives an id its number, which it keeps: the audit trail refers to it after the resource is deleted.
func (d *directory) intern(id string) (number, error) {
	n, ok, err := d.number(id)
	if ok || err != nil {
		return n, err
	}
	all, err := d.internNew([]string{id})
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// internAll is intern for many ids, in the order given.
func (d *directory) internAll(ids []string) ([]number, error) {
	numbers := make([]number, len(ids))
	var fresh []string
	var of []int // by place in ids: its place in fresh
	places := map[string]int{}
	for i, id := range ids {
		n, ok, err := d.number(id)
		if err != nil {
			return nil, err
		}
		if ok {
			numbers[i] = n
			continue
		}
		at, twice := places[id]
		if !twice {
			at = len(fresh)
			places[id] = at
			fresh = append(fresh, id)
		}
		if of == nil {
			of = make([]int, len(ids))
		}
		of[i] = at
	}
	if len(fresh) == 0 {
		return numbers, nil
	}
	made, err := d.internNew(fresh)
	if err != nil {
		return nil, err
	}
	for i, n := range numbers {
		if n == 0 {
			numbers[i] = made[of[i]]
		}
	}
	return numbers, nil
}

// internNew numbers ids that have no number, in the order given. It stores them in the order of their keys: bbolt splits a page
// only at the commit, and until then each new key moves all larger keys of its page.
func (d *directory) internNew(ids []string) ([]number, error) {
	names, err := d.make(dirNames)
	if err != nil {
		return nil, err
	}
	byKey, err := d.make(dirIDs)
	if err != nil {
		return nil, err
	}
	before := names.Sequence()
	if before+uint64(len(ids)) > math.MaxUint32 {
		return nil, fmt.Errorf("number %q: no numbers left: %w", ids[0], store.ErrFull)
	}
	d.tx.writes++
	if err := names.SetSequence(before + uint64(len(ids))); err != nil {
		return nil, fmt.Errorf("next number: %w", err)
	}
	if err := d.addNames(number(before+1), ids); err != nil {
		return nil, err
	}
	numbers, order := make([]number, len(ids)), make([]int, len(ids))
	for i := range ids {
		numbers[i], order[i] = number(before+1)+number(i), i
	}
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = makeKey(id)
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	for _, i := range order {
		key, n := keys[i], numbers[i]
		if err := d.tx.put(byKey, key, binary.BigEndian.AppendUint32(n.key(), checksum(recordVersion, key, n.key()))); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// addNames writes the names of new numbers, which follow each other, sheet by sheet.
func (d *directory) addNames(first number, ids []string) error {
	for len(ids) > 0 {
		row, at := first.place()
		key := row.key()
		var s sheet
		if err := s.open(key, d.get(dirNames, key)); err != nil {
			return err
		}
		if s.n != at {
			return fmt.Errorf("names before number %d: %d of %d: %w", first, s.n, at, store.ErrDamaged)
		}
		n := min(len(ids), len(s.names)-at)
		for _, id := range ids[:n] {
			s.names[s.n] = nameOf{[]byte(id), nameOfNothing}
			s.n++
		}
		if err := d.tx.put(d.bucket(dirNames), key, s.seal(key)); err != nil {
			return err
		}
		ids, first = ids[n:], first+number(n)
	}
	return nil
}

// rename changes the sheet on which the name of a number stands.
func (d *directory) rename(n number, do func(s *sheet, at int) error) error {
	row, at := n.place()
	key := row.key()
	var s sheet
	if err := s.open(key, d.get(dirNames, key)); err != nil {
		return err
	}
	if err := do(&s, at); err != nil {
		return err
	}
	return d.tx.put(d.bucket(dirNames), key, s.seal(key))
}

// label says in the name of a number what it is of.
func (d *directory) label(n number, is byte) error {
	return d.rename(n, func(s *sheet, at int) error {
		if at >= s.n {
			return missingName(n)
		}
		s.names[at].is = is
		return nil
	})
}

// name is the way back from a number.
func (d *directory) name(n number) (string, error) {
	r := d.names()
	e, err := r.of(n)
	return string(e.id), err
}

func missingName(n number) error {
	return fmt.Errorf("name of number %d: missing: %w", n, store.ErrDamaged)
}

// nameReader reads names whose numbers come in order.
type nameReader struct {
	rows follower
	row  number
	open bool
	sheet
}

func (d *directory) names() nameReader {
	return nameReader{rows: follower{tx: d.tx, bucket: d.bucket(dirNames), width: numberSize}}
}

func (r *nameReader) of(n number) (nameOf, error) {
	row, at := n.place()
	if !r.open || row != r.row {
		if err := r.sheet.open(row.key(), r.rows.get(uint64(row))); err != nil {
			return nameOf{}, err
		}
		r.row, r.open = row, true
	}
	if n == 0 || at >= r.n {
		return nameOf{}, missingName(n)
	}
	return r.sheet.names[at], nil
}

package bolt

import (
	"encoding/binary"
	"fmt"
	"math"

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

// intern gives the id its number for ever: the audit trail refers to it after the resource is gone.
func (d *directory) intern(id string) (number, error) {
	n, ok, err := d.number(id)
	if ok || err != nil {
		return n, err
	}
	names, err := d.make(dirNames)
	if err != nil {
		return 0, err
	}
	ids, err := d.make(dirIDs)
	if err != nil {
		return 0, err
	}
	next, err := d.tx.next(names)
	if err != nil {
		return 0, err
	}
	if next > math.MaxUint32 {
		return 0, fmt.Errorf("number %q: no numbers left: %w", id, store.ErrFull)
	}
	n = number(next)
	err = d.rename(n, func(s *sheet, at int) error {
		if s.n != at {
			return fmt.Errorf("names before number %d: %d of %d: %w", n, s.n, at, store.ErrDamaged)
		}
		s.names[at] = nameOf{[]byte(id), nameOfNothing}
		s.n++
		return nil
	})
	if err != nil {
		return 0, err
	}
	key := makeKey(id)
	return n, d.tx.put(ids, key, binary.BigEndian.AppendUint32(n.key(), checksum(recordVersion, key, n.key())))
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

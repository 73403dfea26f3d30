package codec

import (
	"encoding/binary"
	"fmt"

	"github.com/scimbridge/scimbridge/store"
)

// NameBits is how many bits of a number are within a record of names: sixteen names lie together, since the list of a large
// group reads all of them. Numbers begin with 1, which is the first of the first record.
const NameBits = 4

// What a name is of: kept with it, so that a list of members need not look for each.
const (
	NameOfNothing byte = iota
	NameOfUser
	NameOfGroup
)

// NameOf is an id or member value as it lies in the file: it lives as long as the transaction.
type NameOf struct {
	Id []byte
	Is byte
}

// NameBlock is the names of a record, the first ones of its sixteen numbers.
type NameBlock struct {
	Names [1 << NameBits]NameOf
	N     int
}

// Place says on which sheet the name of a number stands, and where.
func (n Number) Place() (sheet Number, at int) {
	return (n - 1) >> NameBits, int((n - 1) & (1<<NameBits - 1))
}

// Open reads a sheet; one that is not stored is empty.
func (s *NameBlock) Open(key, record []byte) error {
	s.N = 0
	if record == nil {
		return nil
	}
	payload, err := Unseal(key, record)
	if err != nil {
		return fmt.Errorf("names %x: %w", key, err)
	}
	for ; len(payload) > 0; s.N++ {
		is := payload[0]
		size, width := binary.Uvarint(payload[1:])
		from := 1 + width
		if s.N == len(s.Names) || is > NameOfGroup || width <= 0 || size > uint64(len(payload)-from) {
			return fmt.Errorf("names %x: %w", key, store.ErrDamaged)
		}
		s.Names[s.N] = NameOf{payload[from : from+int(size)], is}
		payload = payload[from+int(size):]
	}
	return nil
}

// Seal returns the record of the names.
func (s *NameBlock) Seal(key []byte) []byte {
	size := 0
	for _, e := range s.Names[:s.N] {
		size += 1 + binary.MaxVarintLen16 + len(e.Id)
	}
	r := NewRecord(size)
	for _, e := range s.Names[:s.N] {
		r.Byte(e.Is)
		r.Uint(uint64(len(e.Id)))
		r.Raw(e.Id)
	}
	return r.Seal(key)
}

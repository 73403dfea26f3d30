package codec

import (
	"encoding/binary"
	"fmt"

	"github.com/scimbridge/scimbridge/store"
)

// NameBits is the number of low bits of a number that select its name within a block. Sixteen names are
// stored together, because the list of a large group reads all of them. The first number is 1.
const NameBits = 4

// The kind of the owner of a name. It is stored with the name, so that a list of members reads it at once.
const (
	NameOfNothing byte = iota
	NameOfUser
	NameOfGroup
)

// NameOf is an id or member value in the file. It is valid during the transaction.
type NameOf struct {
	Id []byte
	Is byte
}

// NameBlock is a block of names, of the first ones of its sixteen numbers.
type NameBlock struct {
	Names [1 << NameBits]NameOf
	N     int
}

// Place returns the block of the name of a number, and the place within it.
func (n Number) Place() (sheet Number, at int) {
	return (n - 1) >> NameBits, int((n - 1) & (1<<NameBits - 1))
}

// Open reads a block; one that is not stored is empty.
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

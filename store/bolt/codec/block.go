package codec

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"

	"github.com/scimbridge/scimbridge/store"
)

// BlockBits is the number of low bits of a number that select it within its block.
const BlockBits = 8

// Block is a set of numbers among 256 consecutive ones. Memberships are kept in blocks: those of a group by
// the numbers of its members, those of a member by the numbers of its groups. So adding a member to a group
// of any size changes one block each way.
type Block [1 << BlockBits / 64]uint64

// BlockRecord is the size of the largest record of a block; one with fewer numbers than FewInBlock is smaller.
const (
	FewInBlock  = 1 << BlockBits / 8
	BlockRecord = SealSize + FewInBlock
)

// Has reports whether a number is there.
func (b *Block) Has(n Number) bool { return b[n>>6&3]>>(n&63)&1 == 1 }

// Set adds a number.
func (b *Block) Set(n Number) { b[n>>6&3] |= 1 << (n & 63) }

// Clear removes a number.
func (b *Block) Clear(n Number) { b[n>>6&3] &^= 1 << (n & 63) }

// Empty reports whether there is no number.
func (b *Block) Empty() bool { return *b == Block{} }

// Count counts the numbers.
func (b *Block) Count() (n int) {
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// All yields the numbers of the block, in order; first is the lowest that the block can have.
func (b *Block) All(first Number) iter.Seq[Number] {
	return func(yield func(Number) bool) {
		for i, word := range b {
			for ; word != 0; word &= word - 1 {
				if !yield(first + Number(i<<6+bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// BlockKey returns the key of the block of n among those of owner.
func BlockKey(owner, n Number) []byte { return Pair(owner, n>>BlockBits) }

// SealBlock appends the record of a block to out, which has room, and also returns the record alone. A block
// of few numbers is stored as one byte for each: most blocks are of a user in one of 256 consecutive groups,
// or of a group with a few of many users.
func SealBlock(out, key []byte, b *Block) (all, record []byte) {
	from := len(out)
	out = append(out, RecordVersion, 0, 0, 0, 0)
	if b.Count() < FewInBlock {
		for n := range b.All(0) {
			out = append(out, byte(n))
		}
	} else {
		for _, word := range b {
			out = binary.BigEndian.AppendUint64(out, word)
		}
	}
	record = out[from:len(out):len(out)]
	binary.BigEndian.PutUint32(record[1:], Checksum(RecordVersion, key, record[SealSize:]))
	return out, record
}

// OpenBlock reads a block; one that is not stored is empty.
func OpenBlock(key, record []byte) (b Block, err error) {
	if record == nil {
		return b, nil
	}
	payload, err := Unseal(key, record)
	if err == nil && (len(payload) > BlockRecord-SealSize || len(key) != 2*NumberSize) {
		err = store.ErrDamaged
	}
	if err != nil {
		return b, fmt.Errorf("memberships %x: %w", key, err)
	}
	if len(payload) == BlockRecord-SealSize {
		for i := range b {
			b[i] = binary.BigEndian.Uint64(payload[8*i:])
		}
		return b, nil
	}
	for i, n := range payload {
		if i > 0 && payload[i-1] >= n {
			return Block{}, fmt.Errorf("memberships %x: out of order: %w", key, store.ErrDamaged)
		}
		b.Set(Number(n))
	}
	return b, nil
}

package bolt

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"

	"github.com/scimbridge/scimbridge/store"
)

// blockBits is how many bits of a number are within a block.
const blockBits = 8

// block is 256 numbers that lie side by side, each there or not. Memberships are kept in blocks: those of a group by the
// numbers of its members, those of a member by the numbers of its groups. However many members a group has, adding one
// touches one block each way.
type block [1 << blockBits / 64]uint64

// blockRecord is the most that a block takes; one with fewer numbers than fewInBlock takes less.
const (
	fewInBlock  = 1 << blockBits / 8
	blockRecord = sealSize + fewInBlock
)

func (b *block) has(n number) bool { return b[n>>6&3]>>(n&63)&1 == 1 }
func (b *block) set(n number)      { b[n>>6&3] |= 1 << (n & 63) }
func (b *block) clear(n number)    { b[n>>6&3] &^= 1 << (n & 63) }
func (b *block) empty() bool       { return *b == block{} }

func (b *block) count() (n int) {
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// all yields the numbers that are there, in order; first is the lowest that the block can have.
func (b *block) all(first number) iter.Seq[number] {
	return func(yield func(number) bool) {
		for i, word := range b {
			for ; word != 0; word &= word - 1 {
				if !yield(first + number(i<<6+bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// blockKey is where the block of n among those of owner is.
func blockKey(owner, n number) []byte { return pair(owner, n>>blockBits) }

// sealBlock appends the record of a block to out, which has room, and returns it alone as well. A block of few numbers is stored as
// those of their bits that are within it, a byte each: most blocks are of somebody who is in one of 256 groups that lie side by side,
// or of a group of a few people among many.
func sealBlock(out, key []byte, b *block) (all, record []byte) {
	from := len(out)
	out = append(out, recordVersion, 0, 0, 0, 0)
	if b.count() < fewInBlock {
		for n := range b.all(0) {
			out = append(out, byte(n))
		}
	} else {
		for _, word := range b {
			out = binary.BigEndian.AppendUint64(out, word)
		}
	}
	record = out[from:len(out):len(out)]
	binary.BigEndian.PutUint32(record[1:], checksum(recordVersion, key, record[sealSize:]))
	return out, record
}

// openBlock reads a block; one that is not stored is empty.
func openBlock(key, record []byte) (b block, err error) {
	if record == nil {
		return b, nil
	}
	payload, err := unseal(key, record)
	if err == nil && (len(payload) > blockRecord-sealSize || len(key) != 2*numberSize) {
		err = store.ErrDamaged
	}
	if err != nil {
		return b, fmt.Errorf("memberships %x: %w", key, err)
	}
	if len(payload) == blockRecord-sealSize {
		for i := range b {
			b[i] = binary.BigEndian.Uint64(payload[8*i:])
		}
		return b, nil
	}
	for i, n := range payload {
		if i > 0 && payload[i-1] >= n {
			return block{}, fmt.Errorf("memberships %x: out of order: %w", key, store.ErrDamaged)
		}
		b.set(number(n))
	}
	return b, nil
}

// linked yields what the blocks of owner hold, in order. Who iterates may change them meanwhile.
func (d *directory) linked(bucket string, owner number) iter.Seq2[number, error] {
	return func(yield func(number, error) bool) {
		for k, v := range d.tx.scan(d.bucket(bucket), owner.key(), 0) {
			b, err := openBlock(k, v)
			if err != nil {
				yield(0, err)
				return
			}
			for n := range b.all(toNumber(k[numberSize:]) << blockBits) {
				if !yield(n, nil) {
					return
				}
			}
		}
	}
}

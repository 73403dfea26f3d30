package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// RecordVersion is the first byte of every record. A record with a higher one was written by a newer scimbridge.
const RecordVersion = 1

// SealSize is the size of version and checksum, which precede the payload of a record.
const SealSize = 1 + 4

// MaxKeyPart bounds one part of a key: bbolt refuses keys over 32 KiB, and no name needs more.
const MaxKeyPart = 1024

// Checksum also covers the key, and so detects a record under a wrong key: one flipped bit in a page of
// bbolt can move records as easily as change them.
func Checksum(version byte, key, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the standard library caches it
	begin := uint32(version)
	if len(key) == NumberSize { // a fast path without an allocation: most keys are numbers
		begin = bits.RotateLeft32(begin, 24) ^ binary.BigEndian.Uint32(key)
	} else {
		begin = crc32.Update(begin, table, key)
	}
	return crc32.Update(begin, table, payload)
}

// Encoder appends a record. The zero value is not usable: see NewRecord.
type Encoder struct{ B []byte }

// NewRecord begins a record with room for so many bytes.
func NewRecord(size int) *Encoder {
	b := make([]byte, SealSize, SealSize+size)
	b[0] = RecordVersion
	return &Encoder{B: b}
}

// Seal completes the record for storage under key.
func (e *Encoder) Seal(key []byte) []byte {
	binary.BigEndian.PutUint32(e.B[1:], Checksum(RecordVersion, key, e.B[SealSize:]))
	return e.B
}

// Uint appends a value of that kind.
func (e *Encoder) Uint(v uint64) { e.B = binary.AppendUvarint(e.B, v) }

// Int appends a value of that kind.
func (e *Encoder) Int(v int64) { e.B = binary.AppendVarint(e.B, v) }

// Byte appends a value of that kind.
func (e *Encoder) Byte(v byte) { e.B = append(e.B, v) }

// Raw appends bytes as they are.
func (e *Encoder) Raw(v []byte) { e.B = append(e.B, v...) }

// String appends a value of that kind.
func (e *Encoder) String(s string) {
	e.Uint(uint64(len(s)))
	e.B = append(e.B, s...)
}

// Bool appends a value of that kind.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Byte(1)
	} else {
		e.Byte(0)
	}
}

// Time appends the instant without its zone; the zero time stays the zero time.
func (e *Encoder) Time(t time.Time) {
	if t.IsZero() {
		e.Byte(0)
		return
	}
	e.Byte(1)
	e.Int(t.Unix())
	e.Uint(uint64(t.Nanosecond()))
}

// Decoder reads a record of Encoder. It works on a string, so that all strings in a record share one copy.
// After the first value that does not fit it returns only zero values, and End an error.
type Decoder struct {
	S   string
	Bad bool
}

// Unseal checks the record under key and returns its payload, which is valid during the transaction.
func Unseal(key, record []byte) ([]byte, error) {
	switch {
	case len(record) < SealSize:
		return nil, fmt.Errorf("record %.40x: too short: %w", key, store.ErrDamaged)
	case Checksum(record[0], key, record[SealSize:]) != binary.BigEndian.Uint32(record[1:]):
		return nil, fmt.Errorf("record %.40x: checksum does not match: %w", key, store.ErrDamaged)
	case record[0] > RecordVersion:
		return nil, fmt.Errorf("record %.40x: format %d: %w", key, record[0], store.ErrNewer)
	case record[0] != RecordVersion:
		return nil, fmt.Errorf("record %.40x: unknown format %d: %w", key, record[0], store.ErrDamaged)
	}
	return record[SealSize:], nil
}

// OpenRecord is Unseal for records of strings and numbers.
func OpenRecord(key, record []byte) (*Decoder, error) {
	payload, err := Unseal(key, record)
	if err != nil {
		return nil, err
	}
	return &Decoder{S: string(payload)}, nil
}

// End returns an error unless the record was read exactly to its end.
func (d *Decoder) End(key []byte) error {
	if d.Bad || d.S != "" {
		return fmt.Errorf("record %.40x: fields do not fit: %w", key, store.ErrDamaged)
	}
	return nil
}

// More reports whether fields are left to read: older records lack the fields of later versions.
func (d *Decoder) More() bool { return !d.Bad && d.S != "" }

// Fail ends the reading: a value does not fit.
func (d *Decoder) Fail() {
	d.Bad = true
	d.S = ""
}

// Uint reads a value of that kind.
func (d *Decoder) Uint() uint64 {
	var v uint64
	for i := 0; i < len(d.S) && i < binary.MaxVarintLen64; i++ {
		c := d.S[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.S = d.S[i+1:]
			return v
		}
	}
	d.Fail()
	return 0
}

// Int reads a value of that kind.
func (d *Decoder) Int() int64 {
	v := d.Uint()
	return int64(v>>1) ^ -int64(v&1)
}

// Byte reads a value of that kind.
func (d *Decoder) Byte() byte {
	if d.S == "" {
		d.Fail()
		return 0
	}
	c := d.S[0]
	d.S = d.S[1:]
	return c
}

// Bool reads a value of that kind.
func (d *Decoder) Bool() bool {
	switch d.Byte() {
	case 0:
		return false
	case 1:
		return true
	}
	d.Fail()
	return false
}

// String reads a value of that kind.
func (d *Decoder) String() string {
	n := d.Uint()
	if n > uint64(len(d.S)) {
		d.Fail()
		return ""
	}
	s := d.S[:n]
	d.S = d.S[n:]
	return s
}

// Time reads a value of that kind.
func (d *Decoder) Time() time.Time {
	if !d.Bool() {
		return time.Time{}
	}
	sec, nsec := d.Int(), d.Uint()
	if d.Bad || nsec >= uint64(time.Second) {
		d.Fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// Length reads a number of elements, each of at least one byte: a damaged record cannot cause an allocation
// larger than itself.
func (d *Decoder) Length() int {
	n := d.Uint()
	if n > uint64(len(d.S)) {
		d.Fail()
		return 0
	}
	return int(n)
}

// AppendKey appends one part of a key so that keys sort by their parts and no part can be mistaken for another:
// a zero byte is escaped, and the part ends with a sequence that sorts before everything.
func AppendKey(b []byte, part string) []byte {
	if len(part) > MaxKeyPart {
		sum := sha256.Sum256([]byte(part))
		part = part[:MaxKeyPart-len(sum)] + string(sum[:])
	}
	for i := range len(part) {
		b = append(b, part[i])
		if part[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 1)
}

// MakeKey makes a key of parts.
func MakeKey(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p) + 2
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = AppendKey(b, p)
	}
	return b
}

// PartOf reads a key of one part.
func PartOf(key []byte) (string, bool) {
	part, ok := bytes.CutSuffix(key, []byte{0, 1})
	return string(bytes.ReplaceAll(part, []byte{0, 0xff}, []byte{0})), ok
}

// Number stands for a resource id or member value within one identity provider.
type Number uint32

// NumberSize is the length of the key of a number.
const NumberSize = 4

// Key returns the key of a number.
func (n Number) Key() []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// Pair returns the key of two numbers.
func Pair(a, b Number) []byte {
	k := make([]byte, 0, 2*NumberSize)
	k = binary.BigEndian.AppendUint32(k, uint32(a))
	return binary.BigEndian.AppendUint32(k, uint32(b))
}

// ToNumber reads the number at the beginning of a key.
func ToNumber(b []byte) Number { return Number(binary.BigEndian.Uint32(b)) }

// SeqKey returns the key of a sequence number.
func SeqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// SealUint returns a record of one number.
func SealUint(key []byte, v uint64) []byte {
	e := NewRecord(binary.MaxVarintLen64)
	e.Uint(v)
	return e.Seal(key)
}

// OpenUint reads a record of one number.
func OpenUint(key, record []byte) (uint64, error) {
	d, err := OpenRecord(key, record)
	if err != nil {
		return 0, err
	}
	v := d.Uint()
	return v, d.End(key)
}

// CloneRaw copies bytes; nil if there are none.
func CloneRaw(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

package bolt

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

// recordVersion is the first byte of every record. A record with a higher one was written by a newer scimbridge.
const recordVersion = 1

// sealSize is what a record has before its payload: version, checksum.
const sealSize = 1 + 4

// maxKeyPart bounds one part of a key: bbolt refuses keys over 32 KiB, and no name has a reason to be longer.
const maxKeyPart = 1024

// checksum covers the key as well, so that a record that turns up under another key is found out: one flipped bit
// in a bbolt page moves records as easily as it changes them.
func checksum(version byte, key, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the standard library
	begin := uint32(version)
	if len(key) == numberSize { // most records, and the lists of members are long: a number takes part at no cost
		begin = bits.RotateLeft32(begin, 24) ^ binary.BigEndian.Uint32(key)
	} else {
		begin = crc32.Update(begin, table, key)
	}
	return crc32.Update(begin, table, payload)
}

// encoder appends a record. The zero value is not usable: see newRecord.
type encoder struct{ b []byte }

func newRecord(size int) *encoder {
	b := make([]byte, sealSize, sealSize+size)
	b[0] = recordVersion
	return &encoder{b: b}
}

// seal ends the record that is to be stored under key.
func (e *encoder) seal(key []byte) []byte {
	binary.BigEndian.PutUint32(e.b[1:], checksum(recordVersion, key, e.b[sealSize:]))
	return e.b
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)   { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) byte(v byte)   { e.b = append(e.b, v) }
func (e *encoder) raw(v []byte)  { e.b = append(e.b, v...) }
func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// time keeps the instant, not the zone, and the zero time as the zero time.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.byte(0)
		return
	}
	e.byte(1)
	e.int(t.Unix())
	e.uint(uint64(t.Nanosecond()))
}

// decoder reads what encoder wrote. It works on a string, so that the strings it gives out share one copy of the
// record. After the first thing that does not fit it gives zero values only, and bad says so.
type decoder struct {
	s   string
	bad bool
}

// unseal checks the record stored under key and gives its payload, which lives as long as the transaction.
func unseal(key, record []byte) ([]byte, error) {
	switch {
	case len(record) < sealSize:
		return nil, fmt.Errorf("record %.40x: too short: %w", key, store.ErrDamaged)
	case checksum(record[0], key, record[sealSize:]) != binary.BigEndian.Uint32(record[1:]):
		return nil, fmt.Errorf("record %.40x: checksum does not match: %w", key, store.ErrDamaged)
	case record[0] > recordVersion:
		return nil, fmt.Errorf("record %.40x: format %d: %w", key, record[0], store.ErrNewer)
	case record[0] != recordVersion:
		return nil, fmt.Errorf("record %.40x: unknown format %d: %w", key, record[0], store.ErrDamaged)
	}
	return record[sealSize:], nil
}

// openRecord is unseal for records that are strings and numbers throughout.
func openRecord(key, record []byte) (*decoder, error) {
	payload, err := unseal(key, record)
	if err != nil {
		return nil, err
	}
	return &decoder{s: string(payload)}, nil
}

// end says whether the record was read exactly to its end.
func (d *decoder) end(key []byte) error {
	if d.bad || d.s != "" {
		return fmt.Errorf("record %.40x: fields do not fit: %w", key, store.ErrDamaged)
	}
	return nil
}

// more says whether something is left to read: what a later version appends is not in older records.
func (d *decoder) more() bool { return !d.bad && d.s != "" }

func (d *decoder) fail() {
	d.bad = true
	d.s = ""
}

func (d *decoder) uint() uint64 {
	var v uint64
	for i := 0; i < len(d.s) && i < binary.MaxVarintLen64; i++ {
		c := d.s[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.s = d.s[i+1:]
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) int() int64 {
	v := d.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) byte() byte {
	if d.s == "" {
		d.fail()
		return 0
	}
	c := d.s[0]
	d.s = d.s[1:]
	return c
}

func (d *decoder) bool() bool {
	switch d.byte() {
	case 0:
		return false
	case 1:
		return true
	}
	d.fail()
	return false
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) time() time.Time {
	if !d.bool() {
		return time.Time{}
	}
	sec, nsec := d.int(), d.uint()
	if d.bad || nsec >= uint64(time.Second) {
		d.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// length reads how many things follow, each of at least one byte: a damaged record cannot ask for more memory
// than it has bytes.
func (d *decoder) length() int {
	n := d.uint()
	if n > uint64(len(d.s)) {
		d.fail()
		return 0
	}
	return int(n)
}

// appendKey appends one part of a key so that keys sort by their parts and no part can be mistaken for another:
// a zero byte is escaped, and the part ends with a sequence that sorts before everything.
func appendKey(b []byte, part string) []byte {
	if len(part) > maxKeyPart {
		sum := sha256.Sum256([]byte(part))
		part = part[:maxKeyPart-len(sum)] + string(sum[:])
	}
	for i := range len(part) {
		b = append(b, part[i])
		if part[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 1)
}

func makeKey(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p) + 2
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = appendKey(b, p)
	}
	return b
}

// partOf reads a key of one part.
func partOf(key []byte) (string, bool) {
	part, ok := bytes.CutSuffix(key, []byte{0, 1})
	return string(bytes.ReplaceAll(part, []byte{0, 0xff}, []byte{0})), ok
}

// number is the short stand-in for a resource id or member value within one identity provider.
type number uint32

const numberSize = 4

func (n number) key() []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func pair(a, b number) []byte {
	k := make([]byte, 0, 2*numberSize)
	k = binary.BigEndian.AppendUint32(k, uint32(a))
	return binary.BigEndian.AppendUint32(k, uint32(b))
}

func toNumber(b []byte) number { return number(binary.BigEndian.Uint32(b)) }

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// sealUint and openUint are records of one number.
func sealUint(key []byte, v uint64) []byte {
	e := newRecord(binary.MaxVarintLen64)
	e.uint(v)
	return e.seal(key)
}

func openUint(key, record []byte) (uint64, error) {
	d, err := openRecord(key, record)
	if err != nil {
		return 0, err
	}
	v := d.uint()
	return v, d.end(key)
}

func cloneRaw(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The layout of bbolt, in the byte order of the machine. A page begins with its number (8 bytes), flags (2),
// the count of its elements (2) and the number of its overflow pages (4).
const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64

	pageBranch = 0x01
	pageLeaf   = 0x02
	pageMeta   = 0x04

	metaMagic   = 0xED0CDAED
	metaVersion = 2

	leafBucket   = 0x01 // flag of an element that is a bucket
	bucketHeader = 16
	maxDepth     = 64
)

// Check follows every page of the file from its newest meta page, and reports the first one that bbolt cannot
// have written. bbolt itself follows them unchecked: on a damaged page it panics, also in its own goroutines,
// loops, or reads outside of the map.
func Check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w := Walker{F: f}
	if err := w.meta(info.Size()); err != nil {
		return err
	}
	if need := int64(w.High) * int64(w.PageSize); info.Size() < need {
		return fmt.Errorf("it ends at %d of %d bytes", info.Size(), need)
	}
	return w.Walk()
}

// Walker follows the pages of a file.
type Walker struct {
	F        *os.File
	PageSize int
	Root     uint64
	High     uint64 // pages from here on are not in use
	Seen     []bool
	// value is called with every value, its buckets from the outermost on, and its place in the file; may be nil.
	Value   func(in [][]byte, key, value []byte, at int64)
	buckets [][]byte             // the path to the current bucket
	pages   [maxDepth + 2][]byte // one buffer for each depth, used again and again
}

// Walk follows every page from the root on.
func (w *Walker) Walk() error {
	w.Seen = make([]bool, w.High)
	return w.tree(w.Root, nil, nil, 0)
}

// meta finds the newest valid one of the two meta pages.
func (w *Walker) meta(size int64) error {
	newest := uint64(0)
	found := false
	offsets := []int64{0}
	for i := range 15 { // the place of the second depends on the page size, which only a meta page has
		offsets = append(offsets, 1024<<i)
	}
	for _, off := range offsets {
		b := make([]byte, pageHeader+metaSize)
		if off+int64(len(b)) > size {
			break
		}
		if _, err := w.F.ReadAt(b, off); err != nil {
			return err
		}
		order := binary.NativeEndian
		m := b[pageHeader:]
		sum := fnv.New64a()
		_, _ = sum.Write(m[:metaSize-8])
		if order.Uint16(b[8:]) != pageMeta || order.Uint32(m) != metaMagic || order.Uint32(m[4:]) != metaVersion || order.Uint64(m[metaSize-8:]) != sum.Sum64() {
			continue
		}
		pageSize := order.Uint32(m[8:])
		if pageSize < 1024 || pageSize > 1<<24 || off != 0 && off != int64(pageSize) {
			continue
		}
		if txid := order.Uint64(m[48:]); !found || txid > newest {
			found, newest = true, txid
			w.PageSize, w.Root, w.High = int(pageSize), order.Uint64(m[16:]), order.Uint64(m[40:])
		}
	}
	if !found {
		return errors.New("neither of its two first pages is intact")
	}
	if w.High > uint64(size)/uint64(w.PageSize)+1 {
		return fmt.Errorf("it ends at %d bytes and should have %d pages of %d", size, w.High, w.PageSize)
	}
	return nil
}

// tree checks a page and the pages below it. Its keys lie in [low, high); nil is no bound.
func (w *Walker) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d: too deep", id)
	}
	if id < 2 || id >= w.High {
		return fmt.Errorf("page %d: outside of the file", id)
	}
	if w.pages[depth] == nil {
		w.pages[depth] = make([]byte, w.PageSize)
	}
	page := w.pages[depth]
	if _, err := w.F.ReadAt(page, int64(id)*int64(w.PageSize)); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("page %d: %w", id, err)
	}
	order := binary.NativeEndian
	overflow := uint64(order.Uint32(page[12:]))
	if order.Uint64(page) != id || id+overflow >= w.High {
		return fmt.Errorf("page %d: its number or length is wrong", id)
	}
	for p := id; p <= id+overflow; p++ {
		if w.Seen[p] {
			return fmt.Errorf("page %d: used twice", p)
		}
		w.Seen[p] = true
	}
	if overflow > 0 { // seldom: needs its own buffer
		page = make([]byte, (1+overflow)*uint64(w.PageSize))
		if _, err := w.F.ReadAt(page, int64(id)*int64(w.PageSize)); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	return w.page(id, int64(id)*int64(w.PageSize), page, low, high, depth)
}

// page checks a page that was read, or the page of a small bucket inside its parent.
func (w *Walker) page(id uint64, at int64, page, low, high []byte, depth int) error {
	order := binary.NativeEndian
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	if flags != pageBranch && flags != pageLeaf {
		return fmt.Errorf("page %d: of no known kind", id)
	}
	if pageHeader+count*elementSize > len(page) {
		return fmt.Errorf("page %d: %d elements do not fit", id, count)
	}
	if flags == pageBranch && count == 0 {
		return fmt.Errorf("page %d: empty branch", id)
	}
	before := low
	for i := range count {
		e, ok := elementOf(page, flags, count, i)
		if !ok {
			return fmt.Errorf("page %d: element %d lies outside", id, i)
		}
		if c := bytes.Compare(before, e.key); before != nil && (c > 0 || c == 0 && i > 0) || high != nil && bytes.Compare(e.key, high) >= 0 {
			return fmt.Errorf("page %d: element %d is out of order", id, i)
		}
		before = e.key
	}
	for i := range count {
		e, _ := elementOf(page, flags, count, i) // checked above
		switch {
		case flags == pageBranch:
			next := high
			if i+1 < count {
				after, _ := elementOf(page, flags, count, i+1)
				next = after.key
			}
			if err := w.tree(e.child, e.key, next, depth+1); err != nil {
				return err
			}
		case e.bucket:
			w.buckets = append(w.buckets, e.key)
			if err := w.bucket(id, at+e.at, e.value, depth); err != nil {
				return err
			}
			w.buckets = w.buckets[:len(w.buckets)-1]
		case w.Value != nil:
			w.Value(w.buckets, e.key, e.value, at+e.at)
		}
	}
	return nil
}

// element is a key of a page, with its value or its child page.
type element struct {
	key, value []byte
	at         int64 // of the value, in the page
	child      uint64
	bucket     bool
}

// elementOf returns an element of a page; false if it lies outside.
func elementOf(page []byte, flags uint16, count, i int) (e element, ok bool) {
	order := binary.NativeEndian
	at := pageHeader + i*elementSize
	head := page[at : at+elementSize]
	var pos, ksize, vsize uint64
	if flags == pageBranch {
		pos, ksize = uint64(order.Uint32(head)), uint64(order.Uint32(head[4:]))
		e.child = order.Uint64(head[8:])
	} else {
		pos, ksize, vsize = uint64(order.Uint32(head[4:])), uint64(order.Uint32(head[8:])), uint64(order.Uint32(head[12:]))
		e.bucket = order.Uint32(head)&leafBucket != 0
	}
	from := uint64(at) + pos
	if from < uint64(pageHeader+count*elementSize) || from+ksize+vsize > uint64(len(page)) {
		return e, false
	}
	e.key, e.value, e.at = page[from:from+ksize], page[from+ksize:from+ksize+vsize], int64(from+ksize)
	return e, true
}

// bucket checks a bucket, given its value.
func (w *Walker) bucket(id uint64, at int64, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d: bucket too short", id)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.tree(root, nil, nil, depth+1)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != pageLeaf {
		return fmt.Errorf("page %d: bucket within it is no leaf", id)
	}
	if depth > maxDepth {
		return fmt.Errorf("page %d: too deep", id)
	}
	return w.page(id, at+bucketHeader, inline, nil, nil, depth+1)
}

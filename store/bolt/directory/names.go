package directory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// Number returns the number of an id; false if it has none.
func (d *Directory) Number(id string) (codec.Number, bool, error) {
	key := codec.MakeKey(id)
	v := d.Get(dirIDs, key)
	if v == nil {
		return 0, false, nil
	}
	if len(v) != 2*codec.NumberSize || codec.Checksum(codec.RecordVersion, key, v[:codec.NumberSize]) != binary.BigEndian.Uint32(v[codec.NumberSize:]) {
		return 0, false, fmt.Errorf("number of %q: %w", id, store.ErrDamaged)
	}
	return codec.ToNumber(v), true, nil
}

// Intern numbers an id. The number is permanent: the audit trail refers to it after the resource is deleted.
func (d *Directory) Intern(id string) (codec.Number, error) {
	n, ok, err := d.Number(id)
	if ok || err != nil {
		return n, err
	}
	all, err := namesOf(d).internNew([]string{id})
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// InternAll is Intern for many ids, in their order.
func (d *Directory) InternAll(ids []string) ([]codec.Number, error) {
	numbers := make([]codec.Number, len(ids))
	var fresh []string
	var of []int // by place in ids: its place in fresh
	places := map[string]int{}
	for i, id := range ids {
		n, ok, err := d.Number(id)
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
	made, err := namesOf(d).internNew(fresh)
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

// nameTable stores the names of numbers.
type nameTable struct{ *Directory }

func namesOf(d *Directory) nameTable { return nameTable{d} }

// internNew numbers ids that have no number, in their order. It stores them in the order of their keys:
// bbolt splits a page only at the commit, and until then each new key moves all larger keys of its page.
func (d nameTable) internNew(ids []string) ([]codec.Number, error) {
	names, err := d.Make(dirNames)
	if err != nil {
		return nil, err
	}
	byKey, err := d.Make(dirIDs)
	if err != nil {
		return nil, err
	}
	before := names.Sequence()
	if before+uint64(len(ids)) > math.MaxUint32 {
		return nil, fmt.Errorf("number %q: no numbers left: %w", ids[0], store.ErrFull)
	}
	d.Tx.Writes++
	if err := names.SetSequence(before + uint64(len(ids))); err != nil {
		return nil, fmt.Errorf("next number: %w", err)
	}
	if err := d.addNames(codec.Number(before+1), ids); err != nil {
		return nil, err
	}
	numbers, order := make([]codec.Number, len(ids)), make([]int, len(ids))
	for i := range ids {
		numbers[i], order[i] = codec.Number(before+1)+codec.Number(i), i
	}
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = codec.MakeKey(id)
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	for _, i := range order {
		key, n := keys[i], numbers[i]
		if err := d.Tx.Put(byKey, key, binary.BigEndian.AppendUint32(n.Key(), codec.Checksum(codec.RecordVersion, key, n.Key()))); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// addNames writes the names of new consecutive numbers, block by block.
func (d nameTable) addNames(first codec.Number, ids []string) error {
	for len(ids) > 0 {
		row, at := first.Place()
		key := row.Key()
		var s codec.NameBlock
		if err := s.Open(key, d.Get(dirNames, key)); err != nil {
			return err
		}
		if s.N != at {
			return fmt.Errorf("names before number %d: %d of %d: %w", first, s.N, at, store.ErrDamaged)
		}
		n := min(len(ids), len(s.Names)-at)
		for _, id := range ids[:n] {
			s.Names[s.N] = codec.NameOf{Id: []byte(id), Is: codec.NameOfNothing}
			s.N++
		}
		if err := d.Tx.Put(d.Bucket(dirNames), key, s.Seal(key)); err != nil {
			return err
		}
		ids, first = ids[n:], first+codec.Number(n)
	}
	return nil
}

// rename changes the block of the name of a number.
func (d nameTable) rename(n codec.Number, do func(s *codec.NameBlock, at int) error) error {
	row, at := n.Place()
	key := row.Key()
	var s codec.NameBlock
	if err := s.Open(key, d.Get(dirNames, key)); err != nil {
		return err
	}
	if err := do(&s, at); err != nil {
		return err
	}
	return d.Tx.Put(d.Bucket(dirNames), key, s.Seal(key))
}

// label stores the kind of the owner with a name.
func (d nameTable) label(n codec.Number, is byte) error {
	return d.rename(n, func(s *codec.NameBlock, at int) error {
		if at >= s.N {
			return missingName(n)
		}
		s.Names[at].Is = is
		return nil
	})
}

// Name returns the id of a number.
func (d *Directory) Name(n codec.Number) (string, error) {
	r := namesOf(d).names()
	e, err := r.of(n)
	return string(e.Id), err
}

func missingName(n codec.Number) error {
	return fmt.Errorf("name of number %d: missing: %w", n, store.ErrDamaged)
}

// nameReader reads names in the order of their numbers.
type nameReader struct {
	rows kv.SeekCursor
	row  codec.Number
	open bool
	codec.NameBlock
}

func (d nameTable) names() nameReader {
	return nameReader{rows: kv.SeekCursor{Tx: d.Tx, Bucket: d.Bucket(dirNames), Width: codec.NumberSize}}
}

func (r *nameReader) of(n codec.Number) (codec.NameOf, error) {
	row, at := n.Place()
	if !r.open || row != r.row {
		if err := r.Open(row.Key(), r.rows.Get(uint64(row))); err != nil {
			return codec.NameOf{}, err
		}
		r.row, r.open = row, true
	}
	if n == 0 || at >= r.N {
		return codec.NameOf{}, missingName(n)
	}
	return r.Names[at], nil
}

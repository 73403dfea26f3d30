package tables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// This store commits and seals events in the order of their numbers: the events without a seal follow the last seal.

// EncodeSeal returns the record of a seal.
func EncodeSeal(key []byte, s store.Seal) []byte {
	e := codec.NewRecord(binary.MaxVarintLen64 + len(s.Digest))
	e.Uint(s.Event)
	e.Raw(s.Digest[:])
	return e.Seal(key)
}

// DecodeSeal reads the record of a seal, and its place from the key.
func DecodeSeal(key, record []byte) (s store.Seal, err error) {
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return s, fmt.Errorf("seal: %w", err)
	}
	if len(key) != 8 {
		return s, fmt.Errorf("seal: key of %d bytes: %w", len(key), store.ErrDamaged)
	}
	s.Place, s.Event = binary.BigEndian.Uint64(key), d.Uint()
	if len(d.S) != len(s.Digest) {
		return s, fmt.Errorf("seal %d: digest of %d bytes: %w", s.Place, len(d.S), store.ErrDamaged)
	}
	copy(s.Digest[:], d.S)
	return s, nil
}

// EncodeAnchor writes the anchor of the seals: its place and digest.
func EncodeAnchor(s store.Seal) []byte {
	e := codec.NewRecord(binary.MaxVarintLen64 + len(s.Digest))
	e.Uint(s.Place)
	e.Raw(s.Digest[:])
	return e.Seal([]byte(kv.MetaAnchor))
}

// DecodeAnchor reads the anchor of the seals.
func DecodeAnchor(record []byte) (s store.Seal, err error) {
	d, err := codec.OpenRecord([]byte(kv.MetaAnchor), record)
	if err != nil {
		return s, fmt.Errorf("anchor of the seals: %w", err)
	}
	s.Place = d.Uint()
	if len(d.S) != len(s.Digest) {
		return s, fmt.Errorf("anchor of the seals: digest of %d bytes: %w", len(d.S), store.ErrDamaged)
	}
	copy(s.Digest[:], d.S)
	return s, nil
}

func (e *events) seals() *bbolt.Bucket { return e.tx.Btx.Bucket([]byte(kv.TopSeals)) }

func (e *events) Unsealed() iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		after, err := e.sealed()
		if err != nil {
			yield(store.Event{}, err)
			return
		}
		for ev, err := range e.Since(after) {
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// sealed returns the number up to which events have seals.
func (e *events) sealed() (uint64, error) {
	last, err := e.LastSeal()
	return last.Event, err
}

func (e *events) LastSeal() (store.Seal, error) {
	if b := e.seals(); b != nil {
		if k, v := b.Cursor().Last(); k != nil {
			return DecodeSeal(k, v)
		}
	}
	return e.Anchor()
}

func (e *events) Seal(seals ...store.Seal) error {
	e.tx.Write()
	last, err := e.LastSeal()
	if err != nil {
		return err
	}
	var unsealed []uint64
	for k := range e.tx.ScanFrom(e.tx.Btx.Bucket([]byte(kv.TopEvents)), codec.SeqKey(last.Event+1), nil, 0) {
		if len(unsealed) == len(seals) || len(k) != 8 {
			break
		}
		unsealed = append(unsealed, binary.BigEndian.Uint64(k))
	}
	for i, s := range seals {
		next := uint64(0)
		if i < len(unsealed) {
			next = unsealed[i]
		}
		if after := last.Place + uint64(i); s.Place != after+1 {
			return fmt.Errorf("seal %d after %d: %w", s.Place, after, store.ErrConflict)
		}
		if s.Event == 0 || s.Event != next {
			return fmt.Errorf("seal event %d, not %d: %w", s.Event, next, store.ErrConflict)
		}
	}
	b, err := e.tx.Top(kv.TopSeals)
	if err != nil {
		return err
	}
	for _, s := range seals {
		key := codec.SeqKey(s.Place)
		if err := e.tx.Put(b, key, EncodeSeal(key, s)); err != nil {
			return err
		}
	}
	return nil
}

func (e *events) Seals(after uint64) iter.Seq2[store.Seal, error] {
	return func(yield func(store.Seal, error) bool) {
		if after == math.MaxUint64 {
			return
		}
		for k, v := range e.tx.ScanFrom(e.seals(), codec.SeqKey(after+1), nil, 0) {
			s, err := DecodeSeal(k, v)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

func (e *events) Anchor() (store.Seal, error) {
	record := kv.Get(e.tx.Btx.Bucket([]byte(kv.TopMeta)), []byte(kv.MetaAnchor))
	if record == nil {
		return store.Seal{}, nil
	}
	return DecodeAnchor(record)
}

func (e *events) SetAnchor(s store.Seal) error {
	e.tx.Write()
	last, err := e.LastSeal()
	if err != nil {
		return err
	}
	if last != (store.Seal{}) {
		return fmt.Errorf("begin the seals after %d: %w", s.Place, store.ErrConflict)
	}
	return e.setAnchor(s)
}

func (e *events) setAnchor(s store.Seal) error {
	b, err := e.tx.Top(kv.TopMeta)
	if err != nil {
		return err
	}
	return e.tx.Put(b, []byte(kv.MetaAnchor), EncodeAnchor(s))
}

func (e *events) Forget(place uint64) (store.Seal, error) {
	e.tx.Write()
	anchor, err := e.Anchor()
	if err != nil {
		return anchor, err
	}
	kept := e.referred()
	before := anchor.Place
	for s, err := range e.Seals(0) {
		if err != nil {
			return anchor, err
		}
		if s.Place > place || s.Event >= kept {
			break
		}
		if err := errors.Join(e.tx.Del(e.seals(), codec.SeqKey(s.Place)), e.tx.Del(e.tx.Btx.Bucket([]byte(kv.TopEvents)), codec.SeqKey(s.Event))); err != nil {
			return anchor, err
		}
		anchor = store.Seal{Place: s.Place, Digest: s.Digest}
	}
	if anchor.Place == before {
		return anchor, nil
	}
	return anchor, e.setAnchor(anchor)
}

// referred returns the oldest event that a mark refers to.
func (e *events) referred() uint64 {
	oldest := uint64(math.MaxUint64)
	for name := range e.tx.Scan(e.tx.Btx.Bucket([]byte(kv.TopWork)), nil, 0) {
		for k := range e.tx.Scan(e.tx.Namespace(kv.TopWork, string(name)).Bucket(workEvents), nil, 0) {
			if len(k) >= 8 {
				oldest = min(oldest, binary.BigEndian.Uint64(k))
			}
			break
		}
	}
	return oldest
}

package directory

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// The buckets of a directory.
const (
	dirIDs        = "ids"         // id or member value -> number
	dirNames      = "names"       // (number - 1) / 16 -> ids or member values
	dirUsers      = "users"       // number -> user
	dirUserOrder  = "users.order" // order of creation -> number
	dirGroups     = "groups"
	dirGroupOrder = "groups.order"
	dirUserNames  = "users.userName"   // folded -> number
	dirUserExtIDs = "users.externalId" // value, number
	dirEmails     = "users.emails"     // folded, number
	dirGroupNames = "groups.displayName"
	dirGroupExtID = "groups.externalId"
	dirMembers    = "members"       // group, members / 256 -> block
	dirMemberOf   = "member.of"     // member, groups / 256 -> block
	dirLoose      = "members.loose" // group, members / 256 -> block of rows in member.of that stand for no membership
	dirSizes      = "members.count"
	dirCounts     = "counts"
)

const (
	countUsers  = "users"
	countGroups = "groups"
)

// Directory is the directory of an identity provider in the file.
type Directory struct{ *kv.Namespace }

// Open returns the directory in a namespace.
func Open(s *kv.Namespace) *Directory { return &Directory{s} }

func (d *Directory) count(what string) int {
	key := []byte(what)
	record := d.Get(dirCounts, key)
	if record == nil {
		return 0
	}
	n, err := codec.OpenUint(key, record)
	if err != nil {
		d.Tx.Fail(fmt.Errorf("count of %s: %w", what, err))
	}
	return int(n)
}

func (d *Directory) addCount(what string, by int) error {
	b, err := d.Make(dirCounts)
	if err != nil {
		return err
	}
	key := []byte(what)
	return d.Tx.Put(b, key, codec.SealUint(key, uint64(d.count(what)+by)))
}

// Row is a user or group with its place in the order of creation.
type Row[T any] struct {
	Val   T
	Order uint64
}

// indexEntry is a key of an index. A unique entry has the number as its value, any other at the end of its key.
type indexEntry struct {
	bucket string
	key    []byte
	unique bool
}

func (e indexEntry) equal(o indexEntry) bool {
	return e.bucket == o.bucket && bytes.Equal(e.key, o.key)
}

// index lists the entries of one resource without repetition; an empty value has none.
type index []indexEntry

func (x *index) add(e indexEntry) {
	if !slices.ContainsFunc(*x, e.equal) {
		*x = append(*x, e)
	}
}

func (x *index) unique(bucket, value string) {
	if value != "" {
		x.add(indexEntry{bucket, codec.MakeKey(value), true})
	}
}

func (x *index) many(bucket, value string, n codec.Number) {
	if value != "" {
		x.add(indexEntry{bucket, append(codec.MakeKey(value), n.Key()...), false})
	}
}

// free returns ErrConflict if a unique entry belongs to another resource. It is called before every write, so
// that a refused request leaves the transaction clean for the others of the same commit.
func (d *Directory) free(x index, n codec.Number, known bool) error {
	for _, e := range x {
		if !e.unique {
			continue
		}
		if v := d.Get(e.bucket, e.key); v != nil && (!known || !bytes.Equal(v, n.Key())) {
			return fmt.Errorf("%s: %w", e.bucket, store.ErrConflict)
		}
	}
	return nil
}

// reindex changes only the entries that differ.
func (d *Directory) reindex(n codec.Number, before, after index) error {
	for _, e := range before {
		if slices.ContainsFunc(after, e.equal) {
			continue
		}
		if err := d.Tx.Del(d.Bucket(e.bucket), e.key); err != nil {
			return err
		}
	}
	for _, e := range after {
		if slices.ContainsFunc(before, e.equal) {
			continue
		}
		b, err := d.Make(e.bucket)
		if err != nil {
			return err
		}
		value := []byte{}
		if e.unique {
			value = n.Key()
		}
		if err := d.Tx.Put(b, e.key, value); err != nil {
			return err
		}
	}
	return nil
}

// find returns the numbers under a value of an index.
func (d *Directory) find(bucket, value string, unique bool) ([]codec.Number, error) {
	if value == "" {
		return nil, nil
	}
	key := codec.MakeKey(value)
	if unique {
		v := d.Get(bucket, key)
		if v == nil {
			return nil, nil
		}
		if len(v) != codec.NumberSize {
			return nil, fmt.Errorf("%s: %w", bucket, store.ErrDamaged)
		}
		return []codec.Number{codec.ToNumber(v)}, nil
	}
	var found []codec.Number
	for k := range d.Tx.Scan(d.Bucket(bucket), key, 0) {
		if len(k) != len(key)+codec.NumberSize {
			return nil, fmt.Errorf("%s: %w", bucket, store.ErrDamaged)
		}
		found = append(found, codec.ToNumber(k[len(key):]))
	}
	return found, nil
}

// create gives a resource its place in the order of creation.
func (d *Directory) create(k kind, n codec.Number) (uint64, error) {
	b, err := d.Make(k.order)
	if err != nil {
		return 0, err
	}
	order, err := d.Tx.Next(b)
	if err != nil {
		return 0, err
	}
	if err := d.Tx.Put(b, codec.SeqKey(order), n.Key()); err != nil {
		return 0, err
	}
	if err := namesOf(d).label(n, k.label); err != nil {
		return 0, err
	}
	return order, d.addCount(k.counter, 1)
}

// forget removes the record and its place.
func (d *Directory) forget(k kind, n codec.Number, order uint64) error {
	if err := d.Tx.Del(d.Bucket(k.records), n.Key()); err != nil {
		return err
	}
	if err := d.Tx.Del(d.Bucket(k.order), codec.SeqKey(order)); err != nil {
		return err
	}
	if err := namesOf(d).label(n, codec.NameOfNothing); err != nil {
		return err
	}
	return d.addCount(k.counter, -1)
}

func (d *Directory) exists(k kind, n codec.Number) bool { return d.Get(k.records, n.Key()) != nil }

func recordOf(b *bbolt.Bucket, key []byte) ([]byte, error) {
	record := kv.Get(b, key)
	if record == nil {
		return nil, store.ErrNotFound
	}
	return codec.Unseal(key, record)
}

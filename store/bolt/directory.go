package bolt

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
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

type directory struct{ *space }

func (d *directory) count(what string) int {
	key := []byte(what)
	record := d.get(dirCounts, key)
	if record == nil {
		return 0
	}
	n, err := openUint(key, record)
	if err != nil {
		d.tx.fail(fmt.Errorf("count of %s: %w", what, err))
	}
	return int(n)
}

func (d *directory) addCount(what string, by int) error {
	b, err := d.make(dirCounts)
	if err != nil {
		return err
	}
	key := []byte(what)
	return d.tx.put(b, key, sealUint(key, uint64(d.count(what)+by)))
}

// kind is what users and groups do not share.
type kind struct {
	word                    string
	records, order, counter string
	names                   string
	byName                  store.Index
	label                   byte
}

func userKind() kind {
	return kind{"user", dirUsers, dirUserOrder, countUsers, dirUserNames, store.ByUserName, nameOfUser}
}

func groupKind() kind {
	return kind{"group", dirGroups, dirGroupOrder, countGroups, dirGroupNames, store.ByDisplayName, nameOfGroup}
}

// row is a user or group with what the file keeps besides.
type row[T any] struct {
	val   T
	order uint64
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
		x.add(indexEntry{bucket, makeKey(value), true})
	}
}

func (x *index) many(bucket, value string, n number) {
	if value != "" {
		x.add(indexEntry{bucket, append(makeKey(value), n.key()...), false})
	}
}

// free reports ErrConflict if a unique entry belongs to somebody else. It comes before every write, so that a
// request that is refused leaves the transaction clean for the others of the same commit.
func (d *directory) free(x index, n number, known bool) error {
	for _, e := range x {
		if !e.unique {
			continue
		}
		if v := d.get(e.bucket, e.key); v != nil && (!known || !bytes.Equal(v, n.key())) {
			return fmt.Errorf("%s: %w", e.bucket, store.ErrConflict)
		}
	}
	return nil
}

// reindex changes only what differs.
func (d *directory) reindex(n number, before, after index) error {
	for _, e := range before {
		if slices.ContainsFunc(after, e.equal) {
			continue
		}
		if err := d.tx.del(d.bucket(e.bucket), e.key); err != nil {
			return err
		}
	}
	for _, e := range after {
		if slices.ContainsFunc(before, e.equal) {
			continue
		}
		b, err := d.make(e.bucket)
		if err != nil {
			return err
		}
		value := []byte{}
		if e.unique {
			value = n.key()
		}
		if err := d.tx.put(b, e.key, value); err != nil {
			return err
		}
	}
	return nil
}

// find gives the numbers an index has under the value.
func (d *directory) find(bucket, value string, unique bool) ([]number, error) {
	if value == "" {
		return nil, nil
	}
	key := makeKey(value)
	if unique {
		v := d.get(bucket, key)
		if v == nil {
			return nil, nil
		}
		if len(v) != numberSize {
			return nil, fmt.Errorf("%s: %w", bucket, store.ErrDamaged)
		}
		return []number{toNumber(v)}, nil
	}
	var found []number
	for k := range d.tx.scan(d.bucket(bucket), key, 0) {
		if len(k) != len(key)+numberSize {
			return nil, fmt.Errorf("%s: %w", bucket, store.ErrDamaged)
		}
		found = append(found, toNumber(k[len(key):]))
	}
	return found, nil
}

// resolve reads what an index points to, in order of creation. An entry that points nowhere, or to a resource
// that has another value, is damage that no checksum shows.
func resolve[T any](bucket string, found []number, read func(number) (row[T], error), has func(T) bool) ([]T, error) {
	var rows []row[T]
	for _, n := range found {
		r, err := read(n)
		if isMissing(err) || err == nil && !has(r.val) {
			return nil, fmt.Errorf("%s: entry without resource: %w", bucket, store.ErrDamaged)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row[T]) int { return cmp.Compare(a.order, b.order) })
	var vals []T
	for _, r := range rows {
		vals = append(vals, r.val)
	}
	return vals, nil
}

// list yields in the order asked for. What is skipped is counted, not decoded.
func list[T any](d *directory, k kind, from store.From, read func(number) (row[T], error)) iter.Seq2[T, error] {
	bucket, after := k.order, []byte(nil)
	switch {
	case from.By == 0 && from.AfterPlace > 0:
		after = seqKey(from.AfterPlace)
	case from.By != 0:
		bucket = k.names
		if from.AfterName != "" {
			after = makeKey(from.AfterName)
		}
	}
	return func(yield func(T, error) bool) {
		if from.By != 0 && from.By != k.byName {
			var none T
			yield(none, fmt.Errorf("list %ss: no order by index %d", k.word, from.By))
			return
		}
		for key, v := range d.tx.walk(d.bucket(bucket), after, from.Skip, from.Descending) {
			var r row[T]
			err := fmt.Errorf("%s in place %x: %w", k.word, key, store.ErrDamaged)
			if len(v) == numberSize {
				if r, err = read(toNumber(v)); isMissing(err) {
					err = fmt.Errorf("%s number %x: missing: %w", k.word, v, store.ErrDamaged)
				}
			}
			if !yield(r.val, err) || err != nil {
				return
			}
		}
	}
}

// create gives a resource its place in the order of creation.
func (d *directory) create(k kind, n number) (uint64, error) {
	b, err := d.make(k.order)
	if err != nil {
		return 0, err
	}
	order, err := d.tx.next(b)
	if err != nil {
		return 0, err
	}
	if err := d.tx.put(b, seqKey(order), n.key()); err != nil {
		return 0, err
	}
	if err := d.label(n, k.label); err != nil {
		return 0, err
	}
	return order, d.addCount(k.counter, 1)
}

// forget removes the record and its place.
func (d *directory) forget(k kind, n number, order uint64) error {
	if err := d.tx.del(d.bucket(k.records), n.key()); err != nil {
		return err
	}
	if err := d.tx.del(d.bucket(k.order), seqKey(order)); err != nil {
		return err
	}
	if err := d.label(n, nameOfNothing); err != nil {
		return err
	}
	return d.addCount(k.counter, -1)
}

func (d *directory) exists(k kind, n number) bool { return d.get(k.records, n.key()) != nil }

// lookup reads a record by id.
func lookup[T any](d *directory, k kind, id string, read func(number) (row[T], error)) (number, row[T], error) {
	n, ok, err := d.number(id)
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	var r row[T]
	if err == nil {
		r, err = read(n)
	}
	if err != nil {
		return 0, row[T]{}, fmt.Errorf("%s %q: %w", k.word, id, err)
	}
	return n, r, nil
}

func recordOf(b *bbolt.Bucket, key []byte) ([]byte, error) {
	record := get(b, key)
	if record == nil {
		return nil, store.ErrNotFound
	}
	return unseal(key, record)
}

package directory

import (
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// kind holds the differences between users and groups.
type kind struct {
	word                    string
	records, order, counter string
	names                   string
	byName                  store.Index
	label                   byte
}

func userKind() kind {
	return kind{"user", dirUsers, dirUserOrder, countUsers, dirUserNames, store.ByUserName, codec.NameOfUser}
}

func groupKind() kind {
	return kind{"group", dirGroups, dirGroupOrder, countGroups, dirGroupNames, store.ByDisplayName, codec.NameOfGroup}
}

// kindOf is a kind with the functions that depend on its type.
type kindOf[T any] struct {
	kind
	id     func(T) string
	encode func(key []byte, r Row[T]) []byte
	decode func(key, payload []byte) (Row[T], error)
	index  func(T, codec.Number) index
	// values returns the values of a resource that an index has, and the bucket of the index; "" if there is no such index.
	values func(by store.Index, of T) (bucket string, values []string)
}

func users() kindOf[store.User] {
	return kindOf[store.User]{userKind(), func(u store.User) string { return u.ID }, EncodeUser, DecodeUser, userIndex, userValues}
}

func groups() kindOf[store.Group] {
	return kindOf[store.Group]{groupKind(), func(g store.Group) string { return g.ID }, EncodeGroup, DecodeGroup, groupIndex, groupValues}
}

func userValues(by store.Index, u store.User) (string, []string) {
	switch by {
	case store.ByUserName:
		return dirUserNames, []string{u.UserName}
	case store.ByExternalID:
		return dirUserExtIDs, []string{u.ExternalID}
	case store.ByEmail:
		return dirEmails, u.Emails
	}
	return "", nil
}

func groupValues(by store.Index, g store.Group) (string, []string) {
	switch by {
	case store.ByDisplayName:
		return dirGroupNames, []string{g.DisplayName}
	case store.ByExternalID:
		return dirGroupExtID, []string{g.ExternalID}
	}
	return "", nil
}

func userIndex(u store.User, n codec.Number) index {
	var x index
	x.unique(dirUserNames, store.Fold(u.UserName))
	x.many(dirUserExtIDs, u.ExternalID, n)
	for _, m := range u.Emails {
		x.many(dirEmails, store.Fold(m), n)
	}
	return x
}

func groupIndex(g store.Group, n codec.Number) index {
	var x index
	x.unique(dirGroupNames, store.Fold(g.DisplayName))
	x.many(dirGroupExtID, g.ExternalID, n)
	return x
}

// read reads the resource with a number.
func read[T any](d *Directory, k kindOf[T], n codec.Number) (Row[T], error) {
	payload, err := recordOf(d.Bucket(k.records), n.Key())
	if err != nil {
		return Row[T]{}, err
	}
	return k.decode(n.Key(), payload)
}

// lookup reads a record by id.
func lookup[T any](d *Directory, k kindOf[T], id string) (codec.Number, Row[T], error) {
	n, ok, err := d.Number(id)
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	var r Row[T]
	if err == nil {
		r, err = read(d, k, n)
	}
	if err != nil {
		return 0, Row[T]{}, fmt.Errorf("%s %q: %w", k.word, id, err)
	}
	return n, r, nil
}

// find reads the resources that have a value, in order of creation.
func find[T any](d *Directory, k kindOf[T], by store.Index, value string) ([]T, error) {
	bucket, _ := k.values(by, *new(T))
	if bucket == "" {
		return nil, fmt.Errorf("find %ss: no index %d", k.word, by)
	}
	compared := store.Fold
	if by == store.ByExternalID {
		compared = func(s string) string { return s }
	}
	value = compared(value)
	found, err := d.find(bucket, value, by == k.byName)
	if err != nil {
		return nil, fmt.Errorf("find %ss: %w", k.word, err)
	}
	return resolve(d, k, bucket, found, func(of T) bool {
		_, values := k.values(by, of)
		return slices.ContainsFunc(values, func(v string) bool { return compared(v) == value })
	})
}

// put creates or replaces a resource.
func put[T any](d *Directory, k kindOf[T], val T) error {
	d.Tx.Write()
	id := k.id(val)
	if id == "" {
		return fmt.Errorf("put %s: no id", k.word)
	}
	n, known, err := d.Number(id)
	if err != nil {
		return fmt.Errorf("put %s: %w", k.word, err)
	}
	if err := d.free(k.index(val, n), n, known); err != nil {
		return fmt.Errorf("put %s %q: %w", k.word, id, err)
	}
	if n, err = d.Intern(id); err != nil {
		return fmt.Errorf("put %s: %w", k.word, err)
	}
	old, err := read(d, k, n)
	var before index
	switch {
	case err == nil:
		before = k.index(old.Val, n)
	case kv.IsMissing(err):
		if old.Order, err = d.create(k.kind, n); err != nil {
			return fmt.Errorf("put %s: %w", k.word, err)
		}
	default:
		return fmt.Errorf("put %s %q: %w", k.word, id, err)
	}
	b, err := d.Make(k.records)
	if err != nil {
		return err
	}
	if err := d.Tx.Put(b, n.Key(), k.encode(n.Key(), Row[T]{val, old.Order})); err != nil {
		return err
	}
	return d.reindex(n, before, k.index(val, n))
}

// remove deletes a resource after its memberships have been ended.
func remove[T any](d *Directory, k kindOf[T], id string, end func(codec.Number) error) error {
	d.Tx.Write()
	n, r, err := lookup(d, k, id)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := end(n); err != nil {
		return fmt.Errorf("delete %s: %w", k.word, err)
	}
	if err := d.reindex(n, k.index(r.Val, n), nil); err != nil {
		return err
	}
	return d.forget(k.kind, n, r.Order)
}

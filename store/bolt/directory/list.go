package directory

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// resolve reads the resources of index entries, in order of creation. An entry without a resource, or of a
// resource with another value, is damage that no checksum shows.
func resolve[T any](d *Directory, k kindOf[T], bucket string, found []codec.Number, has func(T) bool) ([]T, error) {
	var rows []Row[T]
	for _, n := range found {
		r, err := read(d, k, n)
		if kv.IsMissing(err) || err == nil && !has(r.Val) {
			return nil, fmt.Errorf("%s: entry without resource: %w", bucket, store.ErrDamaged)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b Row[T]) int { return cmp.Compare(a.Order, b.Order) })
	var vals []T
	for _, r := range rows {
		vals = append(vals, r.Val)
	}
	return vals, nil
}

// list yields resources in an order. Skipped ones are counted, not decoded.
func list[T any](d *Directory, k kindOf[T], from store.From) iter.Seq2[T, error] {
	bucket, after := k.order, []byte(nil)
	switch {
	case from.By == 0 && from.AfterPlace > 0:
		after = codec.SeqKey(from.AfterPlace)
	case from.By != 0:
		bucket = k.names
		if from.AfterName != "" {
			after = codec.MakeKey(from.AfterName)
		}
	}
	return func(yield func(T, error) bool) {
		if from.By != 0 && from.By != k.byName {
			var none T
			yield(none, fmt.Errorf("list %ss: no order by index %d", k.word, from.By))
			return
		}
		for key, v := range d.Tx.Walk(d.Bucket(bucket), after, from.Skip, from.Descending) {
			var r Row[T]
			err := fmt.Errorf("%s in place %x: %w", k.word, key, store.ErrDamaged)
			if len(v) == codec.NumberSize {
				if r, err = read(d, k, codec.ToNumber(v)); kv.IsMissing(err) {
					err = fmt.Errorf("%s number %x: missing: %w", k.word, v, store.ErrDamaged)
				}
			}
			if !yield(r.Val, err) || err != nil {
				return
			}
		}
	}
}

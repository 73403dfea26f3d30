package list

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"slices"

	"github.com/scimbridge/scimbridge/scim/query"
	"github.com/scimbridge/scimbridge/store"
)

// place is the sort key of a resource.
type place struct {
	missing bool // the resource has no value to sort by
	key     string
	id      string
	kind    int
}

// sorted collects the places of all matches, sorts them, and reads the resources of the page again.
// found holds the candidates of each kind; nil: all of the kind.
func (l *listing) sorted(found [][]item) error {
	all, err := l.collect(found)
	if err != nil {
		return err
	}
	slices.SortFunc(all, l.compare)
	l.total = len(all)
	if l.query.Paged && l.query.After != nil {
		a := l.query.After
		after := place{missing: a.Missing, key: string(a.Key), id: a.ID, kind: a.Kind}
		i, same := slices.BinarySearchFunc(all, after, l.compare)
		if same {
			i++
		}
		all = all[i:]
	} else if !l.query.Paged {
		all = all[min(l.query.Start-1, len(all)):]
	}
	l.more = len(all) > l.query.Count
	for _, p := range all[:min(l.query.Count, len(all))] {
		one, err := l.sources[p.kind].read(p.id)
		if err != nil {
			return err
		}
		if err := l.add(entry{p.kind, one}); err != nil {
			return err
		}
		l.last = query.Position{Kind: p.kind, Key: []byte(p.key), Missing: p.missing, ID: p.id}
	}
	return nil
}

// collect returns the places of all matches.
func (l *listing) collect(found [][]item) (all []place, err error) {
	for i := range l.sources {
		each := l.sources[i].all(store.From{})
		if found[i] != nil {
			each = listed(found[i])
		}
		for one, err := range each {
			if err = errors.Join(err, l.dir.step()); err != nil {
				return nil, err
			}
			if l.query.Filter != nil {
				if ok, err := one.matches(); err != nil {
					return nil, err
				} else if !ok {
					continue
				}
			}
			p, err := l.place(entry{i, one})
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

func listed(items []item) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for _, one := range items {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// compare orders by value, then by id. A resource without a value is last, or first in descending
// order (RFC 7644 section 3.4.2.3).
func (l *listing) compare(a, b place) int {
	c := cmp.Compare(a.key, b.key)
	switch {
	case a.missing != b.missing && a.missing:
		c = 1
	case a.missing != b.missing:
		c = -1
	}
	if l.query.Descending {
		c = -c
	}
	return cmp.Or(c, cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
}

func (l *listing) place(e entry) (place, error) {
	p := place{kind: e.kind, id: e.id()}
	if l.query.Order == nil { // the order of creation, kind by kind
		n, err := l.dir.Place(p.id)
		p.key = string(binary.BigEndian.AppendUint64([]byte{byte(e.kind)}, n))
		return p, err
	}
	res, err := e.attributes()
	if err != nil {
		return p, err
	}
	var ok bool
	p.key, ok = l.query.Order.Key(res)
	p.missing = !ok
	return p, nil
}

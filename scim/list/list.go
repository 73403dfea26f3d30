package list

import (
	"bytes"
	"errors"

	"github.com/scimbridge/scimbridge/scim/ids"
	"github.com/scimbridge/scimbridge/scim/query"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

// entry is an item and the index of its kind in the query.
type entry struct {
	kind int
	item
}

// listing is a page being made.
type listing struct {
	dir     *Reader
	render  resource.Renderer
	query   query.Query
	sources []source // of the query's kinds

	total   int
	counted bool // total is known
	exact   bool // the index alone answers the filter
	n       int  // resources on the page
	more    bool // there is a next page
	last    query.Position
	next    string
	out     bytes.Buffer
}

// Run executes a query over a directory and returns the ListResponse.
func Run(dir *Reader, render resource.Renderer, q query.Query) ([]byte, error) {
	var err error
	if q.Filter, err = ids.ResolveFilter(dir, "", q.Filter); err != nil {
		return nil, err
	}
	l := &listing{dir: dir, render: render, query: q, counted: true}
	for _, k := range q.Kinds {
		l.sources = append(l.sources, l.sourceOf(k))
	}
	if err := l.run(); err != nil {
		return nil, err
	}
	if l.more && q.Paged && q.Count > 0 {
		if l.next, err = q.Cursor(l.last); err != nil {
			return nil, err
		}
	}
	return l.body(), nil
}

// run finds the page in one of two ways. If an index finds the few candidates, or the store does not
// have the order, it collects the matches and sorts them. Otherwise it walks the store in its order.
func (l *listing) run() error {
	indexed, everything := false, false
	found := make([][]item, len(l.sources)) // nil: no index
	for i := range l.sources {
		list, ok, err := l.candidates(i)
		if err != nil {
			return err
		}
		indexed, everything = indexed || ok, everything || !ok
		if ok {
			found[i] = append([]item{}, list...)
		}
	}
	stored := l.query.Order == nil || l.byName()
	switch {
	case everything && (!stored || l.query.Filter != nil) && !l.dir.limits.Heavy:
		return ErrHeavy
	case indexed && len(found) == 1 && l.query.Order == nil && !l.query.Paged:
		return l.take(found[0])
	case indexed || !stored:
		return l.sorted(found)
	}
	return l.walk()
}

// byName reports whether the page is in the order of an index of names.
func (l *listing) byName() bool {
	if l.query.Order == nil || len(l.sources) > 1 {
		return false
	}
	path, _ := l.sources[0].nameIndex()
	return l.query.Order.Path() == path
}

// take makes the page of the resources that an index found, which are in the order of creation.
func (l *listing) take(found []item) error {
	for _, one := range found {
		if err := l.dir.step(); err != nil {
			return err
		}
		if !l.exact {
			if ok, err := one.matches(); err != nil {
				return err
			} else if !ok {
				continue
			}
		}
		if l.total++; l.total < l.query.Start || l.n >= l.query.Count {
			continue
		}
		if err := l.add(entry{0, one}); err != nil {
			return err
		}
	}
	return nil
}

// walk reads the store in its order. Without a filter it reads only the page. With a filter and a
// cursor it reads nothing beyond the page, and the total is unknown.
func (l *listing) walk() error {
	q := l.query
	skip := q.Start - 1
	for i, src := range l.sources {
		from := store.From{Descending: q.Order != nil && q.Descending}
		if l.byName() {
			_, from.By = src.nameIndex()
		}
		if q.After != nil {
			if i < q.After.Kind {
				continue
			}
			if i == q.After.Kind {
				from.AfterPlace, from.AfterName = q.After.Place, q.After.Name
			}
		}
		if q.Filter == nil {
			size := src.count()
			l.total += size
			if l.more {
				continue // only the total is missing
			}
			if !q.Paged {
				from.Skip = min(skip, size)
				skip -= from.Skip
			}
		}
		if err := l.walkKind(i, from); err != nil {
			return err
		}
		if l.more && q.Filter != nil && q.Paged && q.Count > 0 {
			break
		}
	}
	if q.Filter == nil && q.After != nil {
		for i := range q.After.Kind { // the kinds before the page
			l.total += l.sources[i].count()
		}
	}
	if q.Filter != nil && q.Paged && q.Count > 0 && (l.more || q.After != nil) {
		l.counted = false
	}
	return nil
}

func (l *listing) walkKind(i int, from store.From) error {
	q := l.query
	for one, err := range l.sources[i].all(from) {
		if err = errors.Join(err, l.dir.step()); err != nil {
			return err
		}
		if q.Filter != nil {
			if ok, err := one.matches(); err != nil {
				return err
			} else if !ok {
				continue
			}
			if l.total++; !q.Paged && l.total < q.Start {
				continue
			}
		}
		if l.n >= q.Count {
			l.more = true
			if q.Filter == nil || q.Paged && q.Count > 0 {
				return nil
			}
			continue // it counts in the total
		}
		if err := l.add(entry{i, one}); err != nil {
			return err
		}
	}
	return nil
}

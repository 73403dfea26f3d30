package scim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// list serves GET on a kind, or on the root with all of them.
func (s *Server) list(kinds ...*kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := queryOf(callOf(r).idp, r.URL.Query(), kinds)
		s.answerList(w, r, q, err)
	}
}

// search serves POST …/.search.
func (s *Server) search(kinds ...*kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		values, err := searchValues(callOf(r).body)
		var q query
		if err == nil {
			for name, list := range r.URL.Query() { // a filter that is dropped would answer everything
				values[name] = append(values[name], list...)
			}
			q, err = queryOf(callOf(r).idp, values, kinds)
		}
		s.answerList(w, r, q, err)
	}
}

func (s *Server) answerList(w http.ResponseWriter, r *http.Request, q query, err error) {
	var l *listing
	if err == nil {
		var release func()
		release, err = s.lightly(r, func(heavy bool) error {
			return s.Store.View(r.Context(), func(tx store.Tx) error {
				dir := &paced{Directory: tx.Directory(callOf(r).idp), pace: pace{ctx: r.Context(), now: s.Now, end: s.Now().Add(s.ScanTime)}, heavy: heavy}
				l = &listing{s: s, dir: dir, query: q, counted: true}
				var err error
				if l.query.filter, err = meantFilter(l.dir, "", q.filter); err != nil {
					return err
				}
				return l.run()
			})
		})
		defer release()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, l.body())
}

// entry is a user or a group on its way into a list.
type entry struct {
	kind  int // which of the query's kinds
	user  store.User
	group store.Group
}

// listing is a ListResponse (RFC 7644 section 3.4.2) being made.
type listing struct {
	s     *Server
	dir   *paced
	query query

	total   int
	counted bool // total is known
	exact   bool // what the index finds is all that the filter says
	n       int  // on the page
	more    bool // there is a next page
	last    position
	next    string
	out     bytes.Buffer
}

// run finds the page in one of two ways. Where an index finds the few that can match, or where the order is one that the
// store does not have, what matches is gathered and put in order; else the store is walked in its own order.
func (l *listing) run() error {
	indexed, everything := false, false
	found := make([][]entry, len(l.query.kinds))
	for i := range l.query.kinds {
		var err error
		var ok bool
		if found[i], ok, err = l.candidates(i); err != nil {
			return err
		}
		indexed, everything = indexed || ok, everything || !ok
		if !ok {
			found[i] = nil
		} else if found[i] == nil {
			found[i] = []entry{}
		}
	}
	_, stored := l.storedOrder()
	if everything && (!stored || l.query.filter != nil) && !l.dir.heavy {
		return errHeavy
	}
	var err error
	if indexed && len(found) == 1 && l.query.order == nil && !l.query.paged {
		err = l.take(found[0])
	} else if indexed || !stored {
		err = l.gather(found)
	} else {
		err = l.walk()
	}
	if err != nil || !l.more || !l.query.paged || l.query.count == 0 {
		return err
	}
	l.next, err = l.query.cursor(l.last)
	return err
}

// storedOrder is the index in whose order the page is asked for: 0 is the order of creation.
func (l *listing) storedOrder() (store.Index, bool) {
	switch {
	case l.query.order == nil:
		return 0, true
	case len(l.query.kinds) > 1:
		return 0, false
	case l.query.kinds[0] == userKind && l.query.order.Path() == "username":
		return store.ByUserName, true
	case l.query.kinds[0] == groupKind && l.query.order.Path() == "displayname":
		return store.ByDisplayName, true
	}
	return 0, false
}

// entries lists one of the query's kinds.
func (l *listing) entries(i int, from store.From) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		if l.query.kinds[i] == userKind {
			for u, err := range l.dir.Users(from) {
				if !yield(entry{kind: i, user: u}, err) {
					return
				}
			}
			return
		}
		for g, err := range l.dir.Groups(from) {
			if !yield(entry{kind: i, group: g}, err) {
				return
			}
		}
	}
}

func (l *listing) size(i int) int {
	if l.query.kinds[i] == userKind {
		return l.dir.UserCount()
	}
	return l.dir.GroupCount()
}

// walk goes through the store in its order. Without a filter nothing is read that is not on the page; with one and a cursor
// nothing beyond the page, and the total is not known then.
func (l *listing) walk() error {
	q := l.query
	by, _ := l.storedOrder()
	skip := q.start - 1
	for i := range q.kinds {
		from := store.From{By: by, Descending: q.order != nil && q.descending}
		if q.after != nil {
			if i < q.after.Kind {
				continue
			}
			if i == q.after.Kind {
				from.AfterPlace, from.AfterName = q.after.Place, q.after.Name
			}
		}
		if q.filter == nil {
			size := l.size(i)
			l.total += size
			if l.more {
				continue // only the total is missing
			}
			if !q.paged {
				from.Skip = min(skip, size)
				skip -= from.Skip
			}
		}
		if err := l.walkKind(i, from); err != nil {
			return err
		}
		if l.more && q.filter != nil && q.paged && q.count > 0 {
			break
		}
	}
	if q.filter == nil && q.after != nil {
		for i := range q.after.Kind { // those before the page
			l.total += l.size(i)
		}
	}
	if q.filter != nil && q.paged && q.count > 0 && (l.more || q.after != nil) {
		l.counted = false
	}
	return nil
}

func (l *listing) walkKind(i int, from store.From) error {
	q := l.query
	for e, err := range l.entries(i, from) {
		if err = errors.Join(err, l.dir.pace.step()); err != nil {
			return err
		}
		if q.filter != nil {
			ok, err := l.match(e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if l.total++; !q.paged && l.total < q.start {
				continue
			}
		}
		if l.n >= q.count {
			l.more = true
			if q.filter == nil || q.paged && q.count > 0 {
				return nil
			}
			continue // the total counts them
		}
		if err := l.add(e); err != nil {
			return err
		}
	}
	return nil
}

// take makes the page of what an index found, which is in the order of creation.
func (l *listing) take(found []entry) error {
	for _, e := range found {
		if err := l.dir.pace.step(); err != nil {
			return err
		}
		if !l.exact {
			ok, err := l.match(e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		if l.total++; l.total < l.query.start || l.n >= l.query.count {
			continue
		}
		if err := l.add(e); err != nil {
			return err
		}
	}
	return nil
}

// place is what sorts a resource among those gathered.
type place struct {
	missing bool
	key     string
	id      string
	kind    int
}

// gather collects what matches, as no more than ids and what sorts them, and reads the page again from that.
func (l *listing) gather(found [][]entry) error {
	var all []place
	for i := range l.query.kinds {
		each := l.entries(i, store.From{})
		if found[i] != nil {
			each = func(yield func(entry, error) bool) {
				for _, e := range found[i] {
					if !yield(e, nil) {
						return
					}
				}
			}
		}
		for e, err := range each {
			if err = errors.Join(err, l.dir.pace.step()); err != nil {
				return err
			}
			ok, err := l.match(e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			p, err := l.place(e)
			if err != nil {
				return err
			}
			all = append(all, p)
		}
	}
	slices.SortFunc(all, l.compare)
	l.total = len(all)
	if l.query.paged && l.query.after != nil {
		a := l.query.after
		after := place{missing: a.Missing, key: string(a.Key), id: a.ID, kind: a.Kind}
		i, same := slices.BinarySearchFunc(all, after, l.compare)
		if same {
			i++
		}
		all = all[i:]
	} else if !l.query.paged {
		all = all[min(l.query.start-1, len(all)):]
	}
	l.more = len(all) > l.query.count
	for _, p := range all[:min(l.query.count, len(all))] {
		e, err := l.read(p.kind, p.id)
		if err != nil {
			return err
		}
		if err := l.add(e); err != nil {
			return err
		}
		l.last = position{Kind: p.kind, Key: []byte(p.key), Missing: p.missing, ID: p.id}
	}
	return nil
}

// compare orders by value; without one last, or first when descending (RFC 7644 section 3.4.2.3); then by id.
func (l *listing) compare(a, b place) int {
	c := cmp.Compare(a.key, b.key)
	switch {
	case a.missing != b.missing && a.missing:
		c = 1
	case a.missing != b.missing:
		c = -1
	}
	if l.query.descending {
		c = -c
	}
	return cmp.Or(c, cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
}

func (l *listing) place(e entry) (place, error) {
	p := place{kind: e.kind, id: e.id()}
	if l.query.order == nil { // the order of creation, kind by kind
		n, err := l.dir.Place(p.id)
		p.key = string(binary.BigEndian.AppendUint64([]byte{byte(e.kind)}, n))
		return p, err
	}
	res, err := l.resource(e)
	if err != nil {
		return p, err
	}
	var ok bool
	p.key, ok = l.query.order.Key(res)
	p.missing = !ok
	return p, nil
}

func (e entry) id() string {
	if e.user.ID != "" {
		return e.user.ID
	}
	return e.group.ID
}

func (l *listing) read(kind int, id string) (e entry, err error) {
	e.kind = kind
	if l.query.kinds[kind] == userKind {
		e.user, err = l.dir.User(id)
	} else {
		e.group, err = l.dir.Group(id)
	}
	return e, err
}

// add writes a resource to the page and remembers where that was.
func (l *listing) add(e entry) error {
	if l.n++; l.n > 1 {
		l.out.WriteByte(',')
	}
	if l.query.paged {
		l.last = position{Kind: e.kind}
		by, _ := l.storedOrder()
		var err error
		switch by {
		case store.ByUserName:
			l.last.Name = store.Fold(e.user.UserName)
		case store.ByDisplayName:
			l.last.Name = store.Fold(e.group.DisplayName)
		default:
			if l.last.Place, err = l.dir.Place(e.id()); err != nil {
				return err
			}
		}
	}
	if l.query.kinds[e.kind] == userKind {
		return l.fits(l.s.renderUser(&l.out, l.dir, e.user, l.query.projection))
	}
	return l.fits(l.s.renderGroup(&l.out, l.dir, e.group, l.query.projection))
}

// fits refuses a page that takes more memory than a list may; err is that of what was added last.
func (l *listing) fits(err error) error {
	if err == nil && l.n > 1 && l.out.Len() > maxList {
		err = tooMany("the page is too large: ask for fewer resources with count, or leave members out with excludedAttributes=members")
	}
	return err
}

func (l *listing) body() []byte {
	var head bytes.Buffer
	head.WriteString(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]`)
	if l.counted {
		fmt.Fprintf(&head, `,"totalResults":%d`, l.total)
	}
	if !l.query.paged {
		fmt.Fprintf(&head, `,"startIndex":%d`, l.query.start)
	}
	fmt.Fprintf(&head, `,"itemsPerPage":%d`, l.n)
	if l.next != "" {
		fmt.Fprintf(&head, `,"nextCursor":%q`, l.next)
	}
	head.WriteString(`,"Resources":[`)
	head.Write(l.out.Bytes())
	head.WriteString("]}")
	return head.Bytes()
}

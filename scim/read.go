package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

func (s *Server) get(k *kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, p := mux.Vars(r)["id"], projectionOf(r)
		var b bytes.Buffer
		var version uint64
		err := s.Store.View(r.Context(), func(tx store.Tx) error {
			b.Reset()
			d := tx.Directory(callOf(r).idp)
			if k == userKind {
				u, err := d.User(id)
				if err != nil {
					return err
				}
				version = u.Version
				return s.renderUser(&b, d, u, p)
			}
			g, err := d.Group(id)
			if err != nil {
				return err
			}
			version = g.Version
			return s.renderGroup(&b, d, g, p)
		})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("ETag", etag(version))
		writeJSON(w, http.StatusOK, b.Bytes())
	}
}

// query is what a list request asks for.
type query struct {
	filter       fp.Expression // nil: everything
	start, count int           // start from 1
	projection   projection
}

func queryOf(r *http.Request, k *kind) (query, error) {
	q := query{start: 1, count: defaultPage, projection: projectionOf(r)}
	values := r.URL.Query()
	number := func(name string, into *int, least int) error {
		v := values.Get(name)
		if v == "" {
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			return badValue(name + " is not a whole number")
		}
		*into = max(n, least)
		return nil
	}
	if err := number("startIndex", &q.start, 1); err != nil {
		return q, err
	}
	if err := number("count", &q.count, 0); err != nil {
		return q, err
	}
	q.count = min(q.count, maxPage)
	if f := values.Get("filter"); f != "" {
		e, err := filter.Parse(f)
		if err != nil {
			return q, err
		}
		if err := k.schema.Validate(e); err != nil {
			return q, err
		}
		q.filter = e
	} else if values.Has("filter") {
		return q, &filter.Error{Detail: "the filter is empty"}
	}
	return q, nil
}

func (s *Server) list(k *kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := queryOf(r, k)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		var l *listing
		err = s.Store.View(r.Context(), func(tx store.Tx) error {
			l = &listing{s: s, dir: tx.Directory(callOf(r).idp), query: q}
			if k == userKind {
				return l.users()
			}
			return l.groups()
		})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, l.body())
	}
}

// listing is a ListResponse (RFC 7644 section 3.4.2) being made.
type listing struct {
	s     *Server
	dir   store.Directory
	query query
	total int
	n     int
	out   bytes.Buffer
}

// add counts a match and writes it if it is on the page.
func (l *listing) add(render func(*bytes.Buffer) error) error {
	l.total++
	if l.total < l.query.start || l.n >= l.query.count {
		return nil
	}
	if l.n++; l.n > 1 {
		l.out.WriteByte(',')
	}
	return render(&l.out)
}

func (l *listing) body() []byte {
	head := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":%d,"startIndex":%d,"itemsPerPage":%d,"Resources":[`,
		l.total, l.query.start, l.n)
	return append(append([]byte(head), l.out.Bytes()...), "]}"...)
}

func (l *listing) users() error {
	add := func(u store.User) error {
		return l.add(func(b *bytes.Buffer) error { return l.s.renderUser(b, l.dir, u, l.query.projection) })
	}
	if l.query.filter == nil {
		return page(l, l.dir.UserCount(), l.dir.Users(store.From{Skip: l.query.start-1}), add)
	}
	candidates, indexed, err := l.userCandidates()
	if err != nil {
		return err
	}
	each := func(u store.User) error {
		ok, err := l.matchUser(u)
		if err != nil || !ok {
			return err
		}
		return add(u)
	}
	if indexed {
		for _, u := range candidates {
			if err := each(u); err != nil {
				return err
			}
		}
		return nil
	}
	for u, err := range l.dir.Users(store.From{}) {
		if err != nil {
			return err
		}
		if err := each(u); err != nil {
			return err
		}
	}
	return nil
}

// page writes one page of everything: nothing before it is read, and the total is a counter.
func page[T any](l *listing, total int, rest func(func(T, error) bool), add func(T) error) error {
	for v, err := range rest {
		if err != nil {
			return err
		}
		if l.n >= l.query.count {
			break
		}
		l.total = l.query.start - 1 // on the page from here
		if err := add(v); err != nil {
			return err
		}
	}
	l.total = total
	return nil
}

// userCandidates answers from an index where the filter has a term that one serves; the whole filter is evaluated on
// what comes back.
func (l *listing) userCandidates() ([]store.User, bool, error) {
	for _, t := range filter.Equality(l.query.filter) {
		by := map[string]store.Index{"username": store.ByUserName, "externalid": store.ByExternalID, "emails": store.ByEmail, "emails.value": store.ByEmail}[t.Path]
		switch {
		case by != 0:
			found, err := l.dir.FindUsers(by, t.Value)
			return found, true, err
		case t.Path == "id":
			u, err := l.dir.User(t.Value)
			if err != nil {
				return nil, true, ignoreMissing(err)
			}
			return []store.User{u}, true, nil
		}
	}
	return nil, false, nil
}

func ignoreMissing(err error) error {
	if toSCIM(err).Status == http.StatusNotFound {
		return nil
	}
	return err
}

func (l *listing) matchUser(u store.User) (bool, error) {
	res, err := l.s.userResource(u)
	if err != nil {
		return false, err
	}
	if res["groups"], err = l.s.userGroups(l.dir, u.ID); err != nil {
		return false, err
	}
	return filter.Match(l.query.filter, res, userKind.schema)
}

func (l *listing) groups() error {
	add := func(g store.Group) error {
		return l.add(func(b *bytes.Buffer) error { return l.s.renderGroup(b, l.dir, g, l.query.projection) })
	}
	if l.query.filter == nil {
		return page(l, l.dir.GroupCount(), l.dir.Groups(store.From{Skip: l.query.start-1}), add)
	}
	members := namesMembers(l.query.filter)
	each := func(g store.Group) error {
		ok, err := l.matchGroup(g, members)
		if err != nil || !ok {
			return err
		}
		return add(g)
	}
	candidates, indexed, err := l.groupCandidates()
	if err != nil {
		return err
	}
	if indexed {
		for _, g := range candidates {
			if err := each(g); err != nil {
				return err
			}
		}
		return nil
	}
	for g, err := range l.dir.Groups(store.From{}) {
		if err != nil {
			return err
		}
		if err := each(g); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) groupCandidates() ([]store.Group, bool, error) {
	for _, t := range filter.Equality(l.query.filter) {
		switch t.Path {
		case "displayname":
			found, err := l.dir.FindGroups(store.ByDisplayName, t.Value)
			return found, true, err
		case "externalid":
			found, err := l.dir.FindGroups(store.ByExternalID, t.Value)
			return found, true, err
		case "id":
			g, err := l.dir.Group(t.Value)
			if err != nil {
				return nil, true, ignoreMissing(err)
			}
			return []store.Group{g}, true, nil
		case "members", "members.value":
			var out []store.Group
			for g, err := range l.dir.GroupsOf(t.Value) {
				if err != nil {
					return nil, true, err
				}
				out = append(out, g)
			}
			return out, true, nil
		}
	}
	return nil, false, nil
}

// matchGroup evaluates the filter; members are read only if it names them, and of a term `members eq "x"` only x.
func (l *listing) matchGroup(g store.Group, members bool) (bool, error) {
	res, err := l.s.groupResource(g)
	if err != nil {
		return false, err
	}
	if members {
		list := []any{}
		asked := false
		for _, t := range filter.Equality(l.query.filter) {
			if t.Path != "members" && t.Path != "members.value" {
				continue
			}
			asked = true
			in, err := l.dir.IsMember(g.ID, t.Value)
			if err != nil {
				return false, err
			}
			if in {
				list = append(list, map[string]any{"value": t.Value, "type": "User"})
			}
		}
		if !asked {
			for m, err := range l.dir.Members(g.ID) {
				if err != nil {
					return false, err
				}
				list = append(list, map[string]any{"value": m.Value, "type": "User"})
			}
		}
		res["members"] = list
	}
	return filter.Match(l.query.filter, res, groupKind.schema)
}

func namesMembers(e fp.Expression) bool {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		return strings.EqualFold(e.AttributePath.AttributeName, "members")
	case *fp.ValuePath:
		return strings.EqualFold(e.AttributePath.AttributeName, "members")
	case *fp.LogicalExpression:
		return namesMembers(e.Left) || namesMembers(e.Right)
	case *fp.NotExpression:
		return namesMembers(e.Expression)
	}
	return true
}

func unmarshalAttributes(b json.RawMessage) (map[string]any, error) {
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("reading stored attributes: %w", err)
	}
	return out, nil
}

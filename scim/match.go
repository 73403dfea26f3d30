package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

// match evaluates the filter on a resource; what has to be looked up for it is looked up only if the filter names it.
func (l *listing) match(e entry) (bool, error) {
	if l.query.filter == nil {
		return true, nil
	}
	res, err := l.resource(e)
	if err != nil {
		return false, err
	}
	k := l.query.kinds[e.kind]
	switch {
	case k == userKind && names(l.query.filter, "groups"):
		res["groups"], err = l.s.userGroups(l.dir, e.user.ID)
	case k == groupKind && names(l.query.filter, "members"):
		var asked bool
		if res["members"], asked, err = l.namedMembers(e.group); err == nil && !asked {
			return l.matchMembers(e.group, res)
		}
	}
	if err != nil {
		return false, err
	}
	return filter.Match(l.query.filter, res, l.query.schema(k))
}

// matchMembers evaluates a filter that may be about any of a group's members: one after the other, as there can be a million.
func (l *listing) matchMembers(g store.Group, res map[string]any) (bool, error) {
	var failed error
	res["members"] = iter.Seq[any](func(yield func(any) bool) {
		for m, err := range l.dir.Members(g.ID) {
			if err != nil {
				failed = err
				return
			}
			if !yield(l.s.member(m)) {
				return
			}
		}
	})
	ok, err := filter.Match(l.query.filter, res, l.query.schema(groupKind))
	return ok, errors.Join(failed, err)
}

func (l *listing) resource(e entry) (map[string]any, error) {
	if l.query.kinds[e.kind] == userKind {
		return l.s.userResource(e.user)
	}
	return l.s.groupResource(e.group)
}

// namedMembers are the members that a filter is about whose terms `members eq "x"` must hold: x alone. asked is false of any other filter.
func (l *listing) namedMembers(g store.Group) (list []any, asked bool, err error) {
	list = []any{}
	for _, t := range filter.Equality(l.query.filter) {
		if t.Path != "members" && t.Path != "members.value" {
			continue
		}
		asked = true
		in, err := l.dir.IsMember(g.ID, t.Value)
		if err != nil {
			return nil, true, err
		}
		if in {
			list = append(list, l.s.member(l.memberOf(t.Value)))
		}
	}
	return list, asked, nil
}

func (l *listing) memberOf(value string) store.Member {
	_, notUser := l.dir.User(value)
	_, notGroup := l.dir.Group(value)
	return store.Member{Value: value, User: notUser == nil, Group: notGroup == nil}
}

// member is a membership as a client sees it: of what is neither a user nor a group (yet) no more than the value.
func (s *Server) member(m store.Member) map[string]any {
	k := kindOf(m)
	if k == nil {
		return map[string]any{"value": m.Value}
	}
	return map[string]any{"value": m.Value, "type": k.name, "$ref": s.location(k, m.Value)}
}

func kindOf(m store.Member) *kind {
	switch {
	case m.User:
		return userKind
	case m.Group:
		return groupKind
	}
	return nil
}

// names says whether a filter is about an attribute.
func names(e fp.Expression, attribute string) bool {
	about := func(p fp.AttributePath) bool { return fold(p.AttributeName) == attribute }
	switch e := e.(type) {
	case *fp.AttributeExpression:
		return about(e.AttributePath)
	case *fp.ValuePath:
		return about(e.AttributePath)
	case *fp.LogicalExpression:
		return names(e.Left, attribute) || names(e.Right, attribute)
	case *fp.NotExpression:
		return names(e.Expression, attribute)
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

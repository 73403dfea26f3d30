package list

import (
	"bytes"
	"errors"
	"iter"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

// groups is the source of groups.
type groups struct {
	*listing
	schema filter.Schema
}

// group is a group as an item.
type group struct {
	of groups
	g  store.Group
}

func (s groups) count() int { return s.dir.GroupCount() }

func (s groups) all(from store.From) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for g, err := range s.dir.Groups(from) {
			if !yield(group{s, g}, err) {
				return
			}
		}
	}
}

func (s groups) read(id string) (item, error) {
	g, err := s.dir.Group(id)
	return group{s, g}, err
}

func (s groups) find(path, value string) (found []item, ok bool, err error) {
	var list []store.Group
	switch path {
	case "displayname":
		list, err = s.dir.FindGroups(store.ByDisplayName, value)
	case "externalid":
		list, err = s.dir.FindGroups(store.ByExternalID, value)
	case "members", "members.value":
		for g, err := range s.dir.GroupsOf(value) {
			if err != nil {
				return nil, true, err
			}
			list = append(list, g)
		}
	case "username", "emails", "emails.value": // only users have them
	default:
		return nil, false, nil
	}
	for _, g := range list {
		found = append(found, group{s, g})
	}
	return found, true, err
}

func (s groups) nameIndex() (string, store.Index) { return "displayname", store.ByDisplayName }

func (i group) id() string { return i.g.ID }

func (i group) name() string { return i.g.DisplayName }

func (i group) attributes() (map[string]any, error) { return i.of.render.Group(i.g) }

func (i group) matches() (bool, error) {
	res, err := i.attributes()
	if err != nil {
		return false, err
	}
	if filter.Names(i.of.query.Filter, "members") {
		list, only, err := i.namedMembers()
		if err != nil {
			return false, err
		}
		if !only {
			return i.matchMembers(res)
		}
		res["members"] = list
	}
	return filter.Match(i.of.query.Filter, res, i.of.schema)
}

// matchMembers evaluates a filter that any member may meet. It reads them one after the other, since
// a group can have a million.
func (i group) matchMembers(res map[string]any) (bool, error) {
	var failed error
	res["members"] = iter.Seq[any](func(yield func(any) bool) {
		for m, err := range i.of.dir.Members(i.g.ID) {
			if err != nil {
				failed = err
				return
			}
			if !yield(i.of.render.Member(m)) {
				return
			}
		}
	})
	ok, err := filter.Match(i.of.query.Filter, res, i.of.schema)
	return ok, errors.Join(failed, err)
}

// namedMembers returns the members that a filter with the terms `members eq "x"` is about: x alone.
// only is false for a filter without such a term.
func (i group) namedMembers() (list []any, only bool, err error) {
	list = []any{}
	for _, t := range filter.Equality(i.of.query.Filter) {
		if t.Path != "members" && t.Path != "members.value" {
			continue
		}
		only = true
		in, err := i.of.dir.IsMember(i.g.ID, t.Value)
		if err != nil {
			return nil, true, err
		}
		if in {
			list = append(list, i.of.render.Member(i.of.memberOf(t.Value)))
		}
	}
	return list, only, nil
}

func (l *listing) memberOf(value string) store.Member {
	_, notUser := l.dir.User(value)
	_, notGroup := l.dir.Group(value)
	return store.Member{Value: value, User: notUser == nil, Group: notGroup == nil}
}

func (i group) write(b *bytes.Buffer) error {
	return i.of.render.WriteGroup(b, i.of.dir, i.g, i.of.query.Projection)
}

package list

import (
	"bytes"
	"iter"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

// users is the source of users.
type users struct {
	*listing
	schema filter.Schema
}

// user is a user as an item.
type user struct {
	of users
	u  store.User
}

func (s users) count() int { return s.dir.UserCount() }

func (s users) all(from store.From) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for u, err := range s.dir.Users(from) {
			if !yield(user{s, u}, err) {
				return
			}
		}
	}
}

func (s users) read(id string) (item, error) {
	u, err := s.dir.User(id)
	return user{s, u}, err
}

func (s users) find(path, value string) (found []item, ok bool, err error) {
	var by store.Index
	switch path {
	case "username":
		by = store.ByUserName
	case "externalid":
		by = store.ByExternalID
	case "emails", "emails.value":
		by = store.ByEmail
	case "members", "members.value": // only groups have them
		return nil, true, nil
	default:
		return nil, false, nil
	}
	list, err := s.dir.FindUsers(by, value)
	for _, u := range list {
		found = append(found, user{s, u})
	}
	return found, true, err
}

func (s users) nameIndex() (string, store.Index) { return "username", store.ByUserName }

func (i user) id() string { return i.u.ID }

func (i user) name() string { return i.u.UserName }

func (i user) attributes() (map[string]any, error) { return i.of.render.User(i.u) }

func (i user) matches() (bool, error) {
	res, err := i.attributes()
	if err == nil && filter.Names(i.of.query.Filter, "groups") {
		res["groups"], err = i.of.render.GroupsOf(i.of.dir, i.u.ID)
	}
	if err != nil {
		return false, err
	}
	return filter.Match(i.of.query.Filter, res, i.of.schema)
}

func (i user) write(b *bytes.Buffer) error {
	return i.of.render.WriteUser(b, i.of.dir, i.u, i.of.query.Projection)
}

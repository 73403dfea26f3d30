package suppose

import (
	"iter"

	"github.com/scimbridge/scimbridge/store"
)

// changes are what is supposed of one directory.
type changes struct {
	inactive map[string]bool    // users, by id
	deleted  map[string]bool    // groups, by id
	left     map[[2]string]bool // group and user
}

// directory is a directory after changes.
type directory struct {
	store.Directory
	*changes
}

func (d directory) asIs(u store.User) store.User {
	u.Active = u.Active && !d.inactive[u.ID]
	return u
}

// User implements store.Directory.
func (d directory) User(id string) (store.User, error) {
	u, err := d.Directory.User(id)
	return d.asIs(u), err
}

// Users implements store.Directory.
func (d directory) Users(from store.From) iter.Seq2[store.User, error] {
	return func(yield func(store.User, error) bool) {
		for u, err := range d.Directory.Users(from) {
			if !yield(d.asIs(u), err) {
				return
			}
		}
	}
}

// FindUsers implements store.Directory.
func (d directory) FindUsers(by store.Index, value string) ([]store.User, error) {
	all, err := d.Directory.FindUsers(by, value)
	for i, u := range all {
		all[i] = d.asIs(u)
	}
	return all, err
}

// Group implements store.Directory.
func (d directory) Group(id string) (store.Group, error) {
	if d.deleted[id] {
		return store.Group{}, store.ErrNotFound
	}
	return d.Directory.Group(id)
}

// Groups implements store.Directory.
func (d directory) Groups(from store.From) iter.Seq2[store.Group, error] {
	return without(d.Directory.Groups(from), func(g store.Group) bool { return d.deleted[g.ID] })
}

// FindGroups implements store.Directory.
func (d directory) FindGroups(by store.Index, value string) (out []store.Group, err error) {
	all, err := d.Directory.FindGroups(by, value)
	for _, g := range all {
		if !d.deleted[g.ID] {
			out = append(out, g)
		}
	}
	return out, err
}

// GroupsOf implements store.Directory.
func (d directory) GroupsOf(member string) iter.Seq2[store.Group, error] {
	return without(d.Directory.GroupsOf(member), func(g store.Group) bool {
		return d.deleted[g.ID] || d.left[[2]string{g.ID, member}]
	})
}

// Members implements store.Directory.
func (d directory) Members(group string) iter.Seq2[store.Member, error] {
	return without(d.Directory.Members(group), func(m store.Member) bool {
		return d.left[[2]string{group, m.Value}]
	})
}

// IsMember implements store.Directory.
func (d directory) IsMember(group, value string) (bool, error) {
	if d.deleted[group] {
		return false, store.ErrNotFound
	}
	is, err := d.Directory.IsMember(group, value)
	return is && !d.left[[2]string{group, value}], err
}

// MemberCount implements store.Directory.
func (d directory) MemberCount(group string) (int, error) {
	n, err := d.Directory.MemberCount(group)
	for g := range d.left {
		if g[0] == group {
			n--
		}
	}
	return n, err
}

// GroupCount implements store.Directory.
func (d directory) GroupCount() int { return d.Directory.GroupCount() - len(d.deleted) }

// without leaves out of a list what a function names.
func without[T any](all iter.Seq2[T, error], out func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for one, err := range all {
			if err == nil && out(one) {
				continue
			}
			if !yield(one, err) {
				return
			}
		}
	}
}

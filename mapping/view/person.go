package view

import (
	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Person is the user of a mark, as the directory has them now.
type Person struct {
	Mark    store.Mark
	Link    store.Link // zero if there is none
	Exists  bool
	Leaves  bool     // deactivated
	Changed bool     // the value that finds people is another than the user had first
	Key     string   // "" if the user lacks the value that finds people
	Desired bool     // rules give something on the target
	Roles   []string // what they give there
	Found   string   // account id
	Renamed bool     // a complete listing shows the account of the link under another value
	Blocked bool     // another account of theirs has the roles: see package lookup
	Stale   bool     // their link has changed since it was read: the mark stays for the next visit
}

// UserAndGroups reads a user and the groups that the user is in.
func UserAndGroups(tx store.Tx, s store.Subject) (store.User, []store.Group, error) {
	dir := tx.Directory(s.IdP)
	user, err := dir.User(s.User)
	if err != nil {
		return user, nil, err
	}
	var groups []store.Group
	for g, err := range dir.GroupsOf(s.User) {
		if err != nil {
			return user, nil, err
		}
		groups = append(groups, g)
	}
	return user, groups, nil
}

// Key is the folded value that finds the user at this backend, by `match`.
func (w *View) Key(u store.User) string {
	v := u.UserName
	switch {
	case w.Match == "externalId":
		v = u.ExternalID
	case w.Match != "userName" && len(u.Emails) > 0 && u.Emails[0] != "":
		v = u.Emails[0]
	}
	return backend.Fold(v)
}

// Original is the user as far as the values are concerned that find people, as they were first.
func Original(u store.User) store.User {
	if len(u.Original) == 3 {
		u.UserName, u.Emails, u.ExternalID = u.Original[0], []string{u.Original[1]}, u.Original[2]
	}
	return u
}

package suppose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/called"
	"github.com/scimbridge/scimbridge/store/nearest"
)

// If returns a store whose views show the directory after some changes. Each is one of
//
//	leave GROUP USER
//	delete-group GROUP
//	deactivate USER
//
// A name with blanks may stand in quotation marks.
func If(ctx context.Context, s store.Store, texts []string, now time.Time) (*Store, error) {
	out := &Store{Store: s, Now: now}
	err := s.View(ctx, func(tx store.Tx) error {
		out.directories, out.marks = map[string]*changes{}, nil
		for _, text := range texts {
			if err := out.take(tx, text); err != nil {
				return fmt.Errorf("--if %q: %w", text, err)
			}
		}
		return nil
	})
	return out, err
}

// take adds one change.
func (s *Store) take(tx store.Tx, text string) error {
	verb, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	names, err := namesIn(verb, rest)
	if err != nil {
		return err
	}
	switch verb {
	case "leave":
		return s.leave(tx, names[0], names[1])
	case "delete-group":
		return s.deleteGroup(tx, names[0])
	}
	return s.deactivate(tx, names[0])
}

// errForm is a supposition that is none.
var errForm = errors.New("write 'leave GROUP USER', 'delete-group GROUP' or 'deactivate USER'")

// namesIn returns the names after a verb. Without quotation marks the last word after leave is the
// user, and all before it the group.
func namesIn(verb, rest string) ([]string, error) {
	want := map[string]int{"leave": 2, "delete-group": 1, "deactivate": 1}[verb]
	rest = strings.TrimSpace(rest)
	if want == 0 || rest == "" {
		return nil, errForm
	}
	if !strings.HasPrefix(rest, `"`) {
		if want == 1 {
			return []string{rest}, nil
		}
		at := strings.LastIndexAny(rest, " \t")
		if at < 0 {
			return nil, errForm
		}
		return []string{strings.TrimSpace(rest[:at]), strings.Trim(rest[at+1:], `"`)}, nil
	}
	first, rest, closed := strings.Cut(rest[1:], `"`)
	rest = strings.Trim(strings.TrimSpace(rest), `"`)
	if !closed || first == "" || (rest == "") != (want == 1) {
		return nil, errForm
	}
	return []string{first, rest}[:want], nil
}

// in returns the changes of a directory.
func (s *Store) in(idp string) *changes {
	if s.directories[idp] == nil {
		s.directories[idp] = &changes{map[string]bool{}, map[string]bool{}, map[[2]string]bool{}}
	}
	return s.directories[idp]
}

// touch marks a user on every target, as a request would.
func (s *Store) touch(idp, user string, urgent bool) {
	s.marks = append(s.marks, store.Mark{Target: store.AnyTarget, Subject: store.Subject{IdP: idp, User: user},
		Since: s.Now, Urgent: urgent, Origin: store.Origin{At: s.Now}})
}

func (s *Store) leave(tx store.Tx, group, user string) error {
	g, err := findGroup(tx, group)
	if err != nil {
		return err
	}
	u, err := findUser(tx, user, g.idp)
	if err != nil {
		return err
	}
	member, err := tx.Directory(g.idp).IsMember(g.ID, u.ID)
	if err == nil && !member {
		err = fmt.Errorf("%s is no member of the group %q", u.UserName, g.DisplayName)
	}
	if err != nil {
		return err
	}
	s.in(g.idp).left[[2]string{g.ID, u.ID}] = true
	s.touch(g.idp, u.ID, false)
	return nil
}

func (s *Store) deleteGroup(tx store.Tx, group string) error {
	g, err := findGroup(tx, group)
	if err != nil {
		return err
	}
	for m, err := range tx.Directory(g.idp).Members(g.ID) {
		if err != nil {
			return err
		}
		if m.User {
			s.touch(g.idp, m.Value, false)
		}
	}
	s.in(g.idp).deleted[g.ID] = true
	return nil
}

func (s *Store) deactivate(tx store.Tx, user string) error {
	u, err := findUser(tx, user, "")
	if err != nil {
		return err
	}
	if !u.Active {
		return fmt.Errorf("the user %s is not active already", u.UserName)
	}
	s.in(u.idp).inactive[u.ID] = true
	s.touch(u.idp, u.ID, true)
	return nil
}

// groupOf and userOf are resources of an identity provider.
type groupOf struct {
	idp string
	store.Group
}

type userOf struct {
	idp string
	store.User
}

// findGroup finds the one group with an id or a displayName.
func findGroup(tx store.Tx, name string) (out groupOf, err error) {
	var all []groupOf
	for _, idp := range tx.IdPs() {
		found, err := groupsIn(tx.Directory(idp), name)
		if err != nil {
			return out, err
		}
		for _, g := range found {
			all = append(all, groupOf{idp, g})
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	if len(all) > 1 {
		return out, several("group", name, all, func(g groupOf) string { return g.ID + " of " + g.idp })
	}
	names := nearest.Names{Asked: name}
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return out, err
			}
			names.Add(g.DisplayName)
		}
	}
	return out, names.Unknown("group", true)
}

// groupsIn finds the groups of a directory with an id or a displayName.
func groupsIn(d store.Directory, name string) ([]store.Group, error) {
	g, err := d.Group(name)
	if err == nil {
		return []store.Group{g}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return d.FindGroups(store.ByDisplayName, name)
}

// findUser finds the one user with an id, a userName, an e-mail address or an externalId, of one
// identity provider if it is named.
func findUser(tx store.Tx, name, at string) (out userOf, err error) {
	idps := tx.IdPs()
	if at != "" {
		idps = []string{at}
	}
	var all []userOf
	for _, idp := range idps {
		found, err := called.Users(tx.Directory(idp), name)
		if err != nil {
			return out, err
		}
		for _, u := range found {
			all = append(all, userOf{idp, u})
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	if len(all) > 1 {
		return out, several("user", name, all, func(u userOf) string { return u.ID + " of " + u.idp })
	}
	names := nearest.Names{Asked: name}
	for _, idp := range idps {
		for u, err := range tx.Directory(idp).Users(store.From{By: store.ByUserName}) {
			if err != nil {
				return out, err
			}
			names.Add(u.UserName)
		}
	}
	return out, names.Unknown("user", false)
}

func several[T any](what, name string, all []T, id func(T) string) error {
	ids := make([]string, len(all))
	for i, one := range all {
		ids[i] = id(one)
	}
	slices.Sort(ids)
	return fmt.Errorf("%d %ss are called %.64q; name one by its id: %s", len(all), what, name, strings.Join(ids, ", "))
}

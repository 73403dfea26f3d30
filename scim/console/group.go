package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/nearest"
)

// maxUnknownShown is how many members without a user an answer lists.
const maxUnknownShown = 20

// GroupStatus is one group of one directory, with the grants that the rules give to its members.
type GroupStatus struct {
	IdP        string `json:"identity_provider"`
	ID         string `json:"id"`
	Name       string `json:"display_name"`
	ExternalID string `json:"external_id,omitempty"`
	Members    int    `json:"members"`
	Users      int    `json:"users"`
	Groups     int    `json:"groups"` // members that are groups: nested groups are not expanded
	// Unknown counts the members that are neither; Examples lists some of their values.
	Unknown  int               `json:"members_without_user"`
	Examples []string          `json:"members_without_user_examples"`
	Grants   []desk.GroupGrant `json:"grants"`
}

// group shows the groups with a displayName or an id, in every directory.
func (c *Console) group(w http.ResponseWriter, r *http.Request) {
	name, all := r.URL.Query().Get("name"), []GroupStatus{}
	if name == "" {
		refuse(w, http.StatusBadRequest, "name a group")
		return
	}
	names := nearest.Names{Asked: name}
	err := c.Store.View(r.Context(), func(tx store.Tx) error {
		all, names = all[:0], nearest.Names{Asked: name}
		for _, idp := range tx.IdPs() {
			groups, err := findGroups(tx.Directory(idp), name)
			if err != nil {
				return err
			}
			for _, g := range groups {
				one, err := c.groupStatus(tx, idp, g)
				if err != nil {
					return err
				}
				all = append(all, one)
			}
		}
		if len(all) > 0 {
			return nil
		}
		return addGroupNames(tx, &names)
	})
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "the store cannot be read")
	case len(all) == 0:
		refuse(w, http.StatusNotFound, withNearest("no identity provider has sent such a group; name a displayName or an id", &names))
	default:
		answer(w, http.StatusOK, all)
	}
}

// longestCompared is how long a name may be that is compared with all others.
const longestCompared = 128

// withNearest adds the nearest names to the text of an error.
func withNearest(text string, names *nearest.Names) string {
	if near := names.List(false); len(near) > 0 {
		text += "; the nearest: " + strings.Join(near, ", ")
	}
	return text
}

// addGroupNames takes the name of every group into account.
func addGroupNames(tx store.Tx, names *nearest.Names) error {
	if len(names.Asked) > longestCompared {
		return nil
	}
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return err
			}
			if len(g.DisplayName) <= longestCompared {
				names.Add(g.DisplayName)
			}
		}
	}
	return nil
}

func findGroups(d store.Directory, name string) ([]store.Group, error) {
	g, err := d.Group(name)
	switch {
	case err == nil:
		return []store.Group{g}, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return d.FindGroups(store.ByDisplayName, name)
}

func (c *Console) groupStatus(tx store.Tx, idp string, g store.Group) (GroupStatus, error) {
	s := GroupStatus{IdP: idp, ID: g.ID, Name: g.DisplayName, ExternalID: g.ExternalID, Examples: []string{}, Grants: []desk.GroupGrant{}}
	for m, err := range tx.Directory(idp).Members(g.ID) {
		if err != nil {
			return s, err
		}
		s.Members++
		switch {
		case m.User:
			s.Users++
		case m.Group:
			s.Groups++
		default:
			if s.Unknown++; s.Unknown <= maxUnknownShown {
				s.Examples = append(s.Examples, m.Value)
			}
		}
	}
	if c.Grants != nil {
		s.Grants = c.Grants(tx, idp, g)
	}
	return s, nil
}

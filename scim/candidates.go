package scim

import (
	"net/http"
	"strings"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

func fold(s string) string { return strings.ToLower(s) }

// candidates answers from an index where the filter has a term that one serves; the whole filter is evaluated on what comes
// back. ok is false where there is none: everything has to be looked at.
func (l *listing) candidates(i int) (found []entry, ok bool, err error) {
	_, l.exact = l.query.filter.(*fp.AttributeExpression)
	for _, t := range filter.Equality(l.query.filter) {
		path := t.Path
		if urn := fold(l.query.kinds[i].schema.Core.ID) + ":"; strings.HasPrefix(path, urn) {
			path = path[len(urn):]
		}
		if path == "id" {
			e, err := l.read(i, t.Value)
			if err != nil {
				return nil, true, ignoreMissing(err)
			}
			return []entry{e}, true, nil
		}
		if l.query.kinds[i] == userKind {
			found, ok, err = l.userCandidates(i, path, t.Value)
		} else {
			found, ok, err = l.groupCandidates(i, path, t.Value)
		}
		if ok || err != nil {
			return found, ok, err
		}
	}
	return nil, false, nil
}

func (l *listing) userCandidates(i int, path, value string) ([]entry, bool, error) {
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
	users, err := l.dir.FindUsers(by, value)
	var out []entry
	for _, u := range users {
		out = append(out, entry{kind: i, user: u})
	}
	return out, true, err
}

func (l *listing) groupCandidates(i int, path, value string) ([]entry, bool, error) {
	var groups []store.Group
	var err error
	switch path {
	case "displayname":
		groups, err = l.dir.FindGroups(store.ByDisplayName, value)
	case "externalid":
		groups, err = l.dir.FindGroups(store.ByExternalID, value)
	case "members", "members.value":
		for g, err := range l.dir.GroupsOf(value) {
			if err != nil {
				return nil, true, err
			}
			groups = append(groups, g)
		}
	case "username", "emails", "emails.value": // only users have them
	default:
		return nil, false, nil
	}
	var out []entry
	for _, g := range groups {
		out = append(out, entry{kind: i, group: g})
	}
	return out, true, err
}

func ignoreMissing(err error) error {
	if toSCIM(err).Status == http.StatusNotFound {
		return nil
	}
	return err
}

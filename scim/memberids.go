package scim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// meantIDs replaces ids in an odd spelling by those of the users and groups that they mean. An id
// stays as it was sent if nothing has the bare one, or something has exactly this one. odd are those
// that were replaced, as they were sent.
func meantIDs(d store.Directory, sent []string) (ids, odd []string, err error) {
	isOdd := func(id string) bool { _, odd := patch.BareUUID(id); return odd }
	if !slices.ContainsFunc(sent, isOdd) {
		return sent, nil, nil
	}
	bare := map[string]string{}
	for _, id := range sent {
		if b, isOdd := patch.BareUUID(id); isOdd {
			bare[id] = b
			odd = append(odd, id, b)
		}
	}
	found, err := d.Existing(odd...)
	if err != nil {
		return nil, nil, err
	}
	existing := make(map[string]bool, len(found))
	for _, id := range found {
		existing[id] = true
	}
	odd = odd[:0]
	for _, id := range sent {
		if b := bare[id]; existing[b] && !existing[id] {
			odd = append(odd, id)
			id = b
		}
		ids = append(ids, id)
	}
	return ids, odd, nil
}

// addMembers adds members by the ids that are meant, in the place of those that the group has in an
// odd spelling.
func (c *change) addMembers(group string, values []string) (added, removed []string, err error) {
	ids, odd, err := meantIDs(c.dir, values)
	if err != nil {
		return nil, nil, err
	}
	if added, err = c.dir.AddMembers(group, ids...); err != nil || len(odd) == 0 {
		return added, nil, err
	}
	removed, err = c.dir.RemoveMembers(group, odd...)
	return added, removed, err
}

// removeMembers removes members by the ids that are meant and by those that were sent.
func (c *change) removeMembers(group string, values []string) ([]string, error) {
	ids, odd, err := meantIDs(c.dir, values)
	if err != nil {
		return nil, err
	}
	return c.dir.RemoveMembers(group, slices.Concat(ids, odd)...)
}

// meantFilter lets the comparisons of a filter with ids of users and groups mean those of the
// directory, in any spelling. path is what stands before the attributes of e: "members." within
// members[…].
func meantFilter(d store.Directory, path string, e fp.Expression) (fp.Expression, error) {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		return meantComparison(d, path, e)
	case *fp.ValuePath:
		inner, err := meantFilter(d, path+attributeOf(e.AttributePath)+".", e.ValueFilter)
		return &fp.ValuePath{AttributePath: e.AttributePath, ValueFilter: inner}, err
	case *fp.NotExpression:
		inner, err := meantFilter(d, path, e.Expression)
		return &fp.NotExpression{Expression: inner}, err
	case *fp.LogicalExpression:
		left, err := meantFilter(d, path, e.Left)
		if err != nil {
			return nil, err
		}
		right, err := meantFilter(d, path, e.Right)
		return &fp.LogicalExpression{Left: left, Right: right, Operator: e.Operator}, err
	}
	return e, nil
}

// attributeOf is a path in lower case without its URN: the schemas of users and groups have no id
// in an extension but the manager's, which is kept as it was sent.
func attributeOf(p fp.AttributePath) string {
	name := fold(p.AttributeName)
	if p.SubAttribute != nil {
		name += "." + fold(*p.SubAttribute)
	}
	return name
}

// meantComparison is meantFilter for one comparison. Where a group has the member in the odd
// spelling, from before there was such a user, both spellings are meant.
func meantComparison(d store.Directory, path string, e *fp.AttributeExpression) (fp.Expression, error) {
	sent := filter.Text(e.CompareValue)
	if _, odd := patch.BareUUID(sent); !odd || e.Operator != fp.EQ && e.Operator != fp.NE {
		return e, nil
	}
	switch path + attributeOf(e.AttributePath) {
	case "id", "members", "members.value", "groups", "groups.value":
	default:
		return e, nil
	}
	ids, odd, err := meantIDs(d, []string{sent})
	if err != nil || len(odd) == 0 {
		return e, err
	}
	meant := *e
	meant.CompareValue = ids[0]
	for _, err := range d.GroupsOf(sent) {
		both := &fp.LogicalExpression{Left: e, Right: &meant, Operator: fp.OR}
		if e.Operator == fp.NE {
			both.Operator = fp.AND
		}
		return both, err
	}
	return &meant, nil
}

// unbraced takes the braces off a UUID at the end of an escaped path, where they stand for nothing.
func unbraced(path string) string {
	path = strings.TrimSuffix(path, "/")
	at := strings.LastIndexByte(path, '/') + 1
	last, err := url.PathUnescape(path[at:])
	if bare, odd := patch.BareUUID(last); err == nil && odd && len(last) > len(bare) {
		return path[:at] + last[1:len(last)-1]
	}
	return path
}

// meantAddress lets the address of a request end in the id that is meant. What cannot be found out
// now the request itself meets, too.
func (s *Server) meantAddress(r *http.Request) {
	at := strings.LastIndexByte(r.URL.Path, '/') + 1
	if _, odd := patch.BareUUID(r.URL.Path[at:]); !odd {
		return
	}
	_ = s.Store.View(r.Context(), func(tx store.Tx) error {
		ids, _, err := meantIDs(tx.Directory(callOf(r).idp), []string{r.URL.Path[at:]})
		if err == nil {
			r.URL.Path = r.URL.Path[:at] + ids[0]
		}
		return err
	})
}

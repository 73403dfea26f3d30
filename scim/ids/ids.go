// Package ids finds the users and groups that a client means by ids in another spelling: a UUID in
// capital letters, in braces or without hyphens.
package ids

import (
	"net/url"
	"slices"
	"strings"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// Resolve returns ids with each odd spelling replaced by the id of the user or group that it means.
// An id stays as it was sent if no resource has the bare UUID, or if one has exactly this id. odd
// lists the spellings that were replaced.
func Resolve(d store.Directory, sent []string) (ids, odd []string, err error) {
	if !slices.ContainsFunc(sent, IsOdd) {
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

// IsOdd reports whether an id is a UUID in another spelling than the usual one.
func IsOdd(id string) bool {
	_, odd := patch.BareUUID(id)
	return odd
}

// ResolveFilter returns a filter whose comparisons with ids compare with the ids that are meant.
// path is the path before the attributes of e: "members." within members[…].
func ResolveFilter(d store.Directory, path string, e fp.Expression) (fp.Expression, error) {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		return resolveComparison(d, path, e)
	case *fp.ValuePath:
		inner, err := ResolveFilter(d, path+attributeOf(e.AttributePath)+".", e.ValueFilter)
		return &fp.ValuePath{AttributePath: e.AttributePath, ValueFilter: inner}, err
	case *fp.NotExpression:
		inner, err := ResolveFilter(d, path, e.Expression)
		return &fp.NotExpression{Expression: inner}, err
	case *fp.LogicalExpression:
		left, err := ResolveFilter(d, path, e.Left)
		if err != nil {
			return nil, err
		}
		right, err := ResolveFilter(d, path, e.Right)
		return &fp.LogicalExpression{Left: left, Right: right, Operator: e.Operator}, err
	}
	return e, nil
}

// attributeOf returns a path in lower case without its URN. Among the extensions only the manager
// has an id, which is stored as it was sent.
func attributeOf(p fp.AttributePath) string {
	name := strings.ToLower(p.AttributeName)
	if p.SubAttribute != nil {
		name += "." + strings.ToLower(*p.SubAttribute)
	}
	return name
}

// resolveComparison is ResolveFilter for one comparison. A group may have the member in the odd
// spelling, from before there was such a user: then both spellings are meant.
func resolveComparison(d store.Directory, path string, e *fp.AttributeExpression) (fp.Expression, error) {
	sent := filter.Text(e.CompareValue)
	if !IsOdd(sent) || e.Operator != fp.EQ && e.Operator != fp.NE {
		return e, nil
	}
	switch path + attributeOf(e.AttributePath) {
	case "id", "members", "members.value", "groups", "groups.value":
	default:
		return e, nil
	}
	ids, odd, err := Resolve(d, []string{sent})
	if err != nil || len(odd) == 0 {
		return e, err
	}
	resolved := *e
	resolved.CompareValue = ids[0]
	for _, err := range d.GroupsOf(sent) {
		both := &fp.LogicalExpression{Left: e, Right: &resolved, Operator: fp.OR}
		if e.Operator == fp.NE {
			both.Operator = fp.AND
		}
		return both, err
	}
	return &resolved, nil
}

// TrimBraces removes the braces of a UUID at the end of an escaped path.
func TrimBraces(path string) string {
	path = strings.TrimSuffix(path, "/")
	at := strings.LastIndexByte(path, '/') + 1
	last, err := url.PathUnescape(path[at:])
	if bare, odd := patch.BareUUID(last); err == nil && odd && len(last) > len(bare) {
		return path[:at] + last[1:len(last)-1]
	}
	return path
}

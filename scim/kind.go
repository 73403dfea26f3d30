package scim

import (
	"github.com/elimity-com/scim/schema"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// kind is a kind of resource. The two kinds are immutable.
type kind struct {
	name     string // resourceType
	endpoint string
	maxBody  int64
	schema   filter.Schema
	patch    patch.Resource
}

var userKind = newKind("User", "/Users", maxUserBody, "",
	filter.Schema{Core: coreUser(), Extensions: []schema.Schema{enterpriseUser()}})

var groupKind = newKind("Group", "/Groups", maxGroupBody, "members", filter.Schema{Core: groupSchema()})

func newKind(name, endpoint string, maxBody int64, rows string, s filter.Schema) *kind {
	s.Fold = store.Fold
	return &kind{name: name, endpoint: endpoint, maxBody: maxBody, schema: s, patch: patch.Resource{Schema: s, Rows: rows}}
}

// coreUser returns the library's schema of users, corrected by erratum 8471 of RFC 7643.
func coreUser() schema.Schema {
	return revised(schema.CoreUserSchema(), "User", map[string]map[string]any{"groups.$ref": {"referenceTypes": []string{"Group"}}})
}

// enterpriseUser returns the library's schema of the extension, with the name of RFC 7643 section
// 8.7.1 and corrected by erratum 8472.
func enterpriseUser() schema.Schema {
	return revised(schema.ExtensionEnterpriseUser(), "EnterpriseUser", map[string]map[string]any{"manager.value": {"caseExact": true}})
}

// groupSchema returns the library's schema of groups as they are here: no two groups have the same
// displayName, ids of members compare exactly, and members have no display, which is accepted and
// not kept.
func groupSchema() schema.Schema {
	return revised(schema.CoreGroupSchema(), "Group", map[string]map[string]any{
		"displayName":     {"uniqueness": "server"},
		"members.value":   {"caseExact": true},
		"members.display": nil,
	})
}

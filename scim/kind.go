package scim

import (
	"github.com/elimity-com/scim/schema"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/patch"
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
	filter.Schema{Core: schema.CoreUserSchema(), Extensions: []schema.Schema{schema.ExtensionEnterpriseUser()}})

var groupKind = newKind("Group", "/Groups", maxGroupBody, "members", filter.Schema{Core: schema.CoreGroupSchema()})

func newKind(name, endpoint string, maxBody int64, rows string, s filter.Schema) *kind {
	return &kind{name: name, endpoint: endpoint, maxBody: maxBody, schema: s, patch: patch.Resource{Schema: s, Rows: rows}}
}

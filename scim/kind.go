package scim

import (
	"encoding/json"
	"fmt"
	"slices"

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
	filter.Schema{Core: schema.CoreUserSchema(), Extensions: []schema.Schema{schema.ExtensionEnterpriseUser()}})

var groupKind = newKind("Group", "/Groups", maxGroupBody, "members", filter.Schema{Core: groupSchema()})

func newKind(name, endpoint string, maxBody int64, rows string, s filter.Schema) *kind {
	s.Fold = store.Fold
	return &kind{name: name, endpoint: endpoint, maxBody: maxBody, schema: s, patch: patch.Resource{Schema: s, Rows: rows}}
}

// groupSchema is the library's but for what is otherwise here: no two groups have the same displayName, ids of members compare
// exactly, and members have no display, which is accepted and not kept.
func groupSchema() schema.Schema {
	m := schema.CoreGroupSchema().ToMap()
	list, _ := m["attributes"].([]map[string]any)
	for _, a := range list {
		switch a["name"] {
		case "displayName":
			a["uniqueness"] = "server"
		case "members":
			subs, _ := a["subAttributes"].([]map[string]any)
			subs = slices.DeleteFunc(subs, func(sub map[string]any) bool { return sub["name"] == "display" })
			for _, sub := range subs {
				if sub["name"] == "value" {
					sub["caseExact"] = true
				}
			}
			a["subAttributes"] = subs
		}
	}
	var out schema.Schema
	raw, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("scim: the library does not read its own schema: %v", err))
	}
	return out
}

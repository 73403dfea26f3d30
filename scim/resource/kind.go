package resource

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/elimity-com/scim/schema"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/store"
)

// Limits of a body, in bytes.
const (
	maxUserBody  = 256 << 10
	maxGroupBody = 16 << 20
)

// Kind is a kind of resource.
type Kind struct {
	Name     string // resourceType
	Endpoint string
	MaxBody  int64
	Schema   filter.Schema
	Patch    patch.Resource
}

// Users is the kind of users. It is immutable.
var Users = newKind("User", "/Users", maxUserBody, "",
	filter.Schema{Core: coreUser(), Extensions: []schema.Schema{enterpriseUser()}})

// Groups is the kind of groups. It is immutable.
var Groups = newKind("Group", "/Groups", maxGroupBody, "members", filter.Schema{Core: groupSchema()})

// Kinds lists both kinds.
func Kinds() []*Kind { return []*Kind{Users, Groups} }

func newKind(name, endpoint string, maxBody int64, rows string, s filter.Schema) *Kind {
	s.Fold = store.Fold
	return &Kind{name, endpoint, maxBody, s, patch.Resource{Schema: s, Rows: rows}}
}

// coreUser returns the library's schema of users, corrected by erratum 8471 of RFC 7643.
func coreUser() schema.Schema {
	return revised(schema.CoreUserSchema(), "User", map[string]map[string]any{
		"groups.$ref": {"referenceTypes": []string{"Group"}},
	})
}

// enterpriseUser returns the library's schema of the extension, with the name of RFC 7643 section
// 8.7.1 and corrected by erratum 8472.
func enterpriseUser() schema.Schema {
	return revised(schema.ExtensionEnterpriseUser(), "EnterpriseUser", map[string]map[string]any{
		"manager.value": {"caseExact": true},
	})
}

// groupSchema returns the library's schema of groups with three changes: displayName is unique, ids
// of members compare exactly, and members have no display, which is accepted and dropped.
func groupSchema() schema.Schema {
	return revised(schema.CoreGroupSchema(), "Group", map[string]map[string]any{
		"displayName":     {"uniqueness": "server"},
		"members.value":   {"caseExact": true},
		"members.display": nil,
	})
}

// revised returns a schema of the library with another name and with changed characteristics, by
// the path of the attribute. It leaves out an attribute whose change is nil.
func revised(s schema.Schema, name string, changes map[string]map[string]any) schema.Schema {
	var m map[string]any
	var out schema.Schema
	err := recode(s, &m)
	if err == nil {
		m["name"] = name
		m["attributes"] = revise("", m["attributes"], changes)
		err = recode(m, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("scim: the library does not read its own schema: %v", err))
	}
	return out
}

// recode writes a value as JSON and reads it into another.
func recode(from, to any) error {
	raw, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, to)
}

// revise changes a list of attributes. It also cuts the end of a description that contradicts the
// characteristics, as some in the RFC do (errata 8358 and 8359).
func revise(prefix string, list any, changes map[string]map[string]any) []any {
	var out []any
	all, _ := list.([]any)
	for _, element := range all {
		a, _ := element.(map[string]any)
		path := fmt.Sprint(prefix, a["name"])
		change, changed := changes[path]
		if changed && change == nil {
			continue
		}
		maps.Copy(a, change)
		text := fmt.Sprint(a["description"])
		if a["required"] == false {
			text = strings.TrimSuffix(text, " REQUIRED.")
		}
		if a["mutability"] != "readOnly" {
			text = strings.TrimSuffix(text, " READ-ONLY.")
		}
		a["description"] = text
		if a["subAttributes"] != nil {
			a["subAttributes"] = revise(path+".", a["subAttributes"], changes)
		}
		out = append(out, a)
	}
	return out
}

package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/gorilla/mux"
)

// discovery serves what a client can learn about the server (RFC 7644 section 4), written once at the start, and says no
// to what it does not do.
func (s *Server) discovery(r *mux.Router) {
	serve := func(path string, body []byte) {
		r.HandleFunc(Root+path, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("filter") {
				writeError(w, scimerrors.ScimError{Status: http.StatusForbidden, Detail: "discovery takes no filter"})
				return
			}
			writeJSON(w, http.StatusOK, body)
		}).Methods("GET")
	}
	serve("/ServiceProviderConfig", encode(s.providerConfig()))
	for path, resources := range map[string][]map[string]any{"/Schemas": s.schemas(), "/ResourceTypes": s.resourceTypes()} {
		var list bytes.Buffer
		fmt.Fprintf(&list, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":%d,"startIndex":1,"itemsPerPage":%[1]d,"Resources":[`, len(resources))
		for i, res := range resources {
			one := encode(res)
			serve(fmt.Sprint(path, "/", res["id"]), one)
			if i > 0 {
				list.WriteByte(',')
			}
			list.Write(one)
		}
		list.WriteString("]}")
		serve(path, list.Bytes())
	}
	r.HandleFunc(Root+"/Me", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, scimerrors.ScimError{Status: http.StatusNotImplemented, Detail: "a credential here is an identity provider's, not a person's"})
	})
}

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("scim: a constant cannot be written: %v", err))
	}
	return body
}

func (s *Server) documentMeta(resourceType, path string) map[string]any {
	return map[string]any{"resourceType": resourceType, "location": s.PublicURL + path}
}

// providerConfig says what this server does (RFC 7643 section 5, RFC 9865 section 4), and nothing more.
func (s *Server) providerConfig() map[string]any {
	on, off := map[string]any{"supported": true}, map[string]any{"supported": false}
	return map[string]any{
		"schemas":        []string{schema.ServiceProviderConfigSchema().ID},
		"patch":          on,
		"bulk":           map[string]any{"supported": true, "maxOperations": maxBulkOperations, "maxPayloadSize": maxBulkBody},
		"filter":         map[string]any{"supported": true, "maxResults": maxPage},
		"changePassword": off, "sort": on, "etag": on,
		"pagination": map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": defaultPage, "maxPageSize": maxPage},
		"authenticationSchemes": []any{map[string]any{"type": "oauthbearertoken", "name": "Bearer token",
			"description": "A long random token in the Authorization header", "specUri": "https://www.rfc-editor.org/info/rfc6750", "primary": true}},
		"meta": s.documentMeta("ServiceProviderConfig", "/ServiceProviderConfig"),
	}
}

// resourceTypes are the two kinds (RFC 7643 section 6).
func (s *Server) resourceTypes() []map[string]any {
	var out []map[string]any
	for _, k := range []*kind{userKind, groupKind} {
		extensions := []any{}
		for _, e := range k.schema.Extensions {
			extensions = append(extensions, map[string]any{"schema": e.ID, "required": false})
		}
		out = append(out, map[string]any{
			"schemas": []string{schema.ResourceTypeSchema().ID}, "id": k.name, "name": k.name, "endpoint": k.endpoint,
			"description": k.schema.Core.Description.Value(), "schema": k.schema.Core.ID, "schemaExtensions": extensions,
			"meta": s.documentMeta("ResourceType", "/ResourceTypes/"+k.name),
		})
	}
	return out
}

// schemas are the schemas of everything that is served, as the library has them but for what is otherwise here.
func (s *Server) schemas() []map[string]any {
	var all []schema.Schema
	for _, k := range []*kind{userKind, groupKind} {
		all = append(append(all, k.schema.Core), k.schema.Extensions...)
	}
	all = append(all, withPagination(schema.ServiceProviderConfigSchema()), schema.ResourceTypeSchema(), schema.Definition())
	var out []map[string]any
	for _, one := range all {
		m := one.ToMap()
		m["schemas"], m["meta"] = []string{schema.Definition().ID}, s.documentMeta("Schema", "/Schemas/"+one.ID)
		if one.ID == schema.ServiceProviderConfigSchema().ID || one.ID == schema.ResourceTypeSchema().ID {
			list, _ := m["attributes"].([]map[string]any)
			asTheRFC(list)
		}
		out = append(out, m)
	}
	return out
}

// asTheRFC mends where the library's schemas of discovery differ from RFC 7643 section 8.7: the types of numbers and references.
func asTheRFC(list []map[string]any) {
	for _, a := range list {
		switch a["name"] {
		case "maxOperations", "maxPayloadSize", "maxResults":
			a["type"] = "integer"
		case "documentationUri":
			a["type"], a["referenceTypes"] = "reference", []string{"external"}
		case "endpoint", "schema":
			a["type"], a["referenceTypes"] = "reference", []string{"uri"}
		}
		subs, _ := a["subAttributes"].([]map[string]any)
		asTheRFC(subs)
	}
}

// withPagination adds what RFC 9865 section 4 added to the schema of ServiceProviderConfig.
func withPagination(s schema.Schema) schema.Schema {
	var subs []schema.SimpleParams
	readOnly := schema.AttributeMutabilityReadOnly()
	for _, name := range []string{"cursor", "index"} {
		subs = append(subs, schema.SimpleBooleanParams(schema.BooleanParams{Name: name, Mutability: readOnly, Required: true}))
	}
	subs = append(subs, schema.SimpleStringParams(schema.StringParams{Name: "defaultPaginationMethod", Mutability: readOnly, CanonicalValues: []string{"cursor", "index"}}))
	for _, name := range []string{"defaultPageSize", "maxPageSize"} {
		subs = append(subs, schema.SimpleNumberParams(schema.NumberParams{Name: name, Mutability: readOnly, Type: schema.AttributeTypeInteger()}))
	}
	s.Attributes = append(s.Attributes[:len(s.Attributes):len(s.Attributes)], schema.ComplexCoreAttribute(schema.ComplexParams{Name: "pagination", Mutability: readOnly, SubAttributes: subs}))
	return s
}

// Package discovery serves what a client can learn about the server (RFC 7644 section 4): its
// configuration, its resource types and their schemas.
//
//	discovery.go  the endpoints and their documents
//	schemas.go    the schemas of those documents
package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/bulk"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/query"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/scim/route"
)

// The schemas of the documents of discovery (RFC 7643 sections 5 to 7).
const (
	configURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	typeURN   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaURN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// Scheme is a way to authenticate, as ServiceProviderConfig lists it (RFC 7643 section 5).
type Scheme struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri"`
	Primary     bool   `json:"primary,omitempty"`
}

// Server is the server that the documents describe.
type Server struct {
	PublicURL string // with the SCIM root and without a slash at the end
	// StaticTokens reports whether clients may authenticate by a static token.
	StaticTokens bool
	Schemes      []Scheme // the other ways to authenticate
}

// Register adds the endpoints of discovery to a router. It makes their documents once.
func (s Server) Register(r *mux.Router) {
	serve := func(path string, document func(*http.Request) []byte) {
		r.HandleFunc(route.Root+path, func(w http.ResponseWriter, r *http.Request) { discover(w, r, document(r)) }).Methods("GET")
	}
	config := encode(s.providerConfig())
	serve("/ServiceProviderConfig", func(*http.Request) []byte { return config })
	for path, resources := range map[string][]map[string]any{"/Schemas": s.schemas(), "/ResourceTypes": s.resourceTypes()} {
		list, byID := listed(resources)
		serve(path, func(*http.Request) []byte { return list })
		serve(path+"/{id}", func(r *http.Request) []byte { return byID[strings.ToLower(mux.Vars(r)["id"])] })
	}
	r.HandleFunc(route.Root+"/Me", func(w http.ResponseWriter, _ *http.Request) {
		message.WriteError(w, scimerrors.ScimError{Status: http.StatusNotImplemented, Detail: "a credential belongs to an identity provider, not to a user"})
	})
}

// discover answers with a document; nil if there is none.
func discover(w http.ResponseWriter, r *http.Request, document []byte) {
	switch {
	case r.URL.Query().Get("filter") != "":
		message.WriteError(w, scimerrors.ScimError{Status: http.StatusForbidden, Detail: "discovery takes no filter"})
	case document == nil:
		message.WriteError(w, message.NotFound("no schema or resource type has this name: /Schemas and /ResourceTypes list them"))
	default:
		message.WriteJSON(w, http.StatusOK, document)
	}
}

// listed returns resources as a list, and each by its id in lower case.
func listed(resources []map[string]any) (list []byte, byID map[string][]byte) {
	byID = map[string][]byte{}
	var all [][]byte
	for _, res := range resources {
		one := encode(res)
		all, byID[strings.ToLower(fmt.Sprint(res["id"]))] = append(all, one), one
	}
	return fmt.Appendf(nil, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":%d,"startIndex":1,"itemsPerPage":%[1]d,"Resources":[%s]}`,
		len(all), bytes.Join(all, []byte(","))), byID
}

// encode returns a document as JSON.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("scim: a constant cannot be written: %v", err))
	}
	return body
}

// documentMeta returns the meta of a document at a path below the root.
func (s Server) documentMeta(resourceType, path string) map[string]any {
	return map[string]any{"resourceType": resourceType, "location": s.PublicURL + path}
}

// providerConfig returns what this server supports (RFC 7643 section 5, RFC 9865 section 4).
func (s Server) providerConfig() map[string]any {
	on, off := map[string]any{"supported": true}, map[string]any{"supported": false}
	return map[string]any{
		"schemas":        []string{configURN},
		"patch":          on,
		"bulk":           map[string]any{"supported": true, "maxOperations": bulk.MaxOperations, "maxPayloadSize": bulk.MaxBody},
		"filter":         map[string]any{"supported": true, "maxResults": query.MaxPage},
		"changePassword": off, "sort": on, "etag": on,
		"pagination":            map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": query.DefaultPage, "maxPageSize": query.MaxPage},
		"authenticationSchemes": s.schemes(),
		"meta":                  s.documentMeta("ServiceProviderConfig", "/ServiceProviderConfig"),
	}
}

// schemes returns the ways to authenticate, as the challenges of package auth say them. The first one
// is primary.
func (s Server) schemes() []Scheme {
	var all []Scheme
	if s.StaticTokens || len(s.Schemes) == 0 {
		all = append(all, Scheme{Type: "oauthbearertoken", Name: "Bearer token",
			Description: "A long random token in the Authorization header", SpecURI: "https://www.rfc-editor.org/info/rfc6750"})
	}
	if s.StaticTokens {
		all = append(all, Scheme{Type: "httpbasic", Name: "HTTP Basic",
			Description: "The same token as the password; the user name is empty or the identity provider's",
			SpecURI:     "https://www.rfc-editor.org/info/rfc7617"})
	}
	all = append(all, s.Schemes...)
	all[0].Primary = true
	return all
}

// resourceTypes returns the two kinds (RFC 7643 section 6).
func (s Server) resourceTypes() []map[string]any {
	var out []map[string]any
	for _, k := range resource.Kinds() {
		extensions := []any{}
		for _, e := range k.Schema.Extensions {
			extensions = append(extensions, map[string]any{"schema": e.ID, "required": false})
		}
		out = append(out, map[string]any{
			"schemas": []string{typeURN}, "id": k.Name, "name": k.Name, "endpoint": k.Endpoint,
			"description": k.Schema.Core.Description.Value(), "schema": k.Schema.Core.ID, "schemaExtensions": extensions,
			"meta": s.documentMeta("ResourceType", "/ResourceTypes/"+k.Name),
		})
	}
	return out
}

// schemas returns the schemas of all resources and documents.
func (s Server) schemas() []map[string]any {
	var out []map[string]any
	for _, k := range resource.Kinds() {
		for _, one := range append([]schema.Schema{k.Schema.Core}, k.Schema.Extensions...) {
			out = append(out, one.ToMap())
		}
	}
	out = append(out, discoverySchemas()...)
	for _, m := range out {
		m["schemas"], m["meta"] = []string{schemaURN}, s.documentMeta("Schema", fmt.Sprint("/Schemas/", m["id"]))
	}
	return out
}

package scim

import (
	"encoding/json"
	"fmt"
	"net/http"

	elimity "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/gorilla/mux"
)

// discovery serves what a client can learn about the server (RFC 7644 section 4), and says no to what it does not do.
func (s *Server) discovery(r *mux.Router) {
	lib, err := elimity.NewServer(&elimity.ServerArgs{
		ServiceProviderConfig: &elimity.ServiceProviderConfig{},
		ResourceTypes:         []elimity.ResourceType{s.resourceType(userKind), s.resourceType(groupKind)},
	}, elimity.WithBaseURL(s.PublicURL))
	if err != nil {
		panic("scim: the library refuses constant resource types: " + err.Error())
	}
	unfiltered := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("filter") {
				writeError(w, scimerrors.ScimError{Status: http.StatusForbidden, Detail: "discovery takes no filter"})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	for _, p := range []string{"/Schemas", "/Schemas/{id}", "/ResourceTypes", "/ResourceTypes/{id}"} {
		r.Handle(Root+p, unfiltered(http.StripPrefix(Root, lib))).Methods("GET")
	}
	config := s.providerConfig()
	r.Handle(Root+"/ServiceProviderConfig", unfiltered(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, config)
	}))).Methods("GET")
	for _, p := range []string{"/Me", "/Bulk"} {
		r.HandleFunc(Root+p, func(w http.ResponseWriter, _ *http.Request) {
			writeError(w, scimerrors.ScimError{Status: http.StatusNotImplemented, Detail: "not supported"})
		})
	}
}

// providerConfig says what this server does (RFC 7643 section 5, RFC 9865 section 4), and nothing more.
func (s *Server) providerConfig() []byte {
	off := map[string]any{"supported": false}
	body, err := json.Marshal(map[string]any{
		"schemas":        []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          map[string]any{"supported": true},
		"bulk":           map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         map[string]any{"supported": true, "maxResults": maxPage},
		"changePassword": off, "sort": off, "etag": off,
		"pagination": map[string]any{"cursor": false, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": defaultPage, "maxPageSize": maxPage},
		"authenticationSchemes": []any{map[string]any{"type": "oauthbearertoken", "name": "Bearer token",
			"description": "A long random token in the Authorization header", "specUri": "https://www.rfc-editor.org/info/rfc6750", "primary": true}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": s.PublicURL + "/ServiceProviderConfig"},
	})
	if err != nil {
		panic(fmt.Sprintf("scim: a constant cannot be written: %v", err))
	}
	return body
}

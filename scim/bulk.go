package scim

import (
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/scimbridge/scimbridge/scim/bulk"
	"github.com/scimbridge/scimbridge/scim/message"
)

// bulk serves POST /Bulk. Each operation is a request to the same routes.
func (s *Server) bulk(routes *mux.Router) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := bulk.Run(bulk.Server{PublicURL: s.PublicURL, Host: r.Host, NewID: s.NewID,
			Serve: func(w http.ResponseWriter, op bulk.Operation) (path string) {
				inner := operationRequest(r, op)
				s.normalize(w, inner, routes)
				return inner.URL.Path
			}}, callOf(r).body)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		message.WriteJSON(w, http.StatusOK, body)
	}
}

// operationRequest returns the request for one operation of a bulk request.
func operationRequest(bulkRequest *http.Request, op bulk.Operation) *http.Request {
	of := callOf(bulkRequest)
	c := &call{id: of.id, idp: of.idp, token: of.token, newID: op.NewID, body: op.Data}
	if op.IfMatch != "" {
		c.ifMatch = []string{op.IfMatch}
	}
	r := withCall(bulkRequest, c)
	r.Header = bulkRequest.Header.Clone()
	r.Header.Del("If-Match")
	r.Header.Del("If-None-Match")
	r.Method, r.URL, r.RequestURI = op.Method, &url.URL{Path: op.Path, RawQuery: op.Query}, ""
	r.Body, r.ContentLength = http.NoBody, 0
	return r
}

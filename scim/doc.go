// Package scim is the protocol edge: a SCIM 2.0 service provider (RFC 7643, RFC 7644) with Users
// and Groups for the directory of each identity provider.
//
// It owns routes, limits and the steps that every request takes. The rooms below it own the rest:
// what a credential, a value, a PATCH, a filter or a resource is, and what a request changes.
//
//	server.go      Server: what it is made of, and its routes
//	middleware.go  request id, panics, log; credential, limits of the ingress; path and query
//	body.go        media type, size, memory, and the one check of the JSON of a body
//	write.go       POST, PUT, PATCH, DELETE
//	read.go        GET, lists and searches
//	bulk.go        POST /Bulk
//
// A PATCH of a group passes through these files, in this order:
//
//	scim/server.go             Handler
//	scim/middleware.go         authenticate, normalize
//	scim/body.go               read and check the JSON once
//	scim/write.go              the PATCH handler
//	scim/patch/parse.go        operations, repaired and validated
//	scim/change/change.go      one store.Update
//	scim/change/groups.go      attributes of the group
//	scim/change/members.go     membership rows
//	scim/change/marks.go       dirty marks for the users that were added or removed
//	scim/change/audit.go       the audit event
//
// Then the transaction commits, the workers of the marked backends are nudged, and the client gets
// 204.
//
// github.com/elimity-com/scim gives the schemas, the last validation of a resource against them,
// the error types and the tree of filters.
package scim

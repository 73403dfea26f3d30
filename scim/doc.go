// Package scim is the protocol edge: a SCIM 2.0 service provider (RFC 7643, RFC 7644) with Users and Groups for each
// identity provider's directory.
//
// It owns routes, limits, the form of answers and errors, and what one request changes: resource, membership rows,
// marks for delivery and the audit event, in one transaction. It does not own what a value or a PATCH means (packages
// value and patch), filters (package filter), credentials (package auth) or what a group gives (Server.Targets is
// handed in).
//
// The path of one PATCH of a group, and of a POST or PUT but for the answer:
//
//	request id ▶ recover ▶ path ▶ credential ▶ route ▶ media type, size of the body, one check of its JSON
//	  ▶ package patch: read operations or a resource, repair what this client is known to send, validate
//	  ▶ one store.Update: attributes, rows, marks for the users really touched, audit event
//	  ▶ 204 ▶ nudge the workers of the backends that were marked
//
// github.com/elimity-com/scim gives the schemas, the last validation of a resource against them, the error types and the
// tree of filters. It is imported by no package above this one.
package scim

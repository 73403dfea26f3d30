// Package scim is the protocol edge: a SCIM 2.0 service provider (RFC 7643, RFC 7644) with Users and Groups for each
// identity provider's directory.
//
// It owns routes, limits, the form of answers and errors, and what one request changes: resource, membership rows,
// marks for delivery and the audit event, in one transaction. It does not own what a PATCH means (package patch),
// filters (package filter), credentials (package auth) or what a group gives (Server.Targets is handed in).
//
// The path of one PATCH of a group:
//
//	request id ▶ recover ▶ path ▶ credential ▶ media type ▶ body limit ▶ route
//	  ▶ patch.Parse: repair what this client is known to send, validate every operation
//	  ▶ one store.Update: attributes, rows, marks for the people really touched, audit event
//	  ▶ 204 ▶ nudge the workers of the backends that were marked
//
// POST, PUT, DELETE and discovery go through github.com/elimity-com/scim, which is imported nowhere above.
package scim

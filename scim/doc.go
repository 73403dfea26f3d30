// Package scim is the protocol edge: a SCIM 2.0 service provider with Users and Groups for each identity provider.
//
// One request goes through
//
//	the middleware: request id, log, credential, rate limit
//	  ▶ routes: path, query, size of the body, one check of its JSON (package value)
//	  ▶ package patch: read a resource or operations, repair what clients are known to send, validate by the schema
//	  ▶ store.Update: precondition, resource or membership rows, marks for the users it concerns, audit event
//	  ▶ answer
//	  ▶ nudge the workers
//
// POST, PUT and PATCH mean the same by the same value: one reader serves them. github.com/elimity-com/scim gives the schemas, the
// last validation against them, the error types and the tree of filters, and is imported by no package above this one.
package scim

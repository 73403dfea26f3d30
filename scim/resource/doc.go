// Package resource says what a user and a group are at the edge: their schemas, how a body becomes
// a stored resource, and how a stored resource becomes an answer.
//
// It reads a directory to render a group's members and a user's groups. It changes nothing: package
// change does.
//
//	kind.go        Users and Groups: endpoint, schema, limits
//	attributes.go  UserFrom, GroupFrom: attributes of a request -> the stored resource
//	identifier.go  which userName, displayName, externalId or address is accepted
//	etag.go        versions of resources and the headers that compare them
//	projection.go  `attributes` and `excludedAttributes`
//	render.go      Renderer: stored resource -> JSON
//	members.go     members of a group -> JSON, row by row
package resource

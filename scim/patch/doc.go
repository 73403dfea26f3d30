// Package patch reads SCIM PATCH requests (RFC 7644, section 3.5.2), repairs what identity providers are known to send,
// validates every operation against the schema and applies the operations to a resource. The bodies of POST and PUT are read
// as a PATCH without a path of a resource without attributes (ADR 17).
//
//	change, err := patch.Parse(body, resource)      // all operations are valid, or none is used
//	changed, err := patch.Apply(attrs, change.Attributes, resource)
//	full, err := patch.ReadNew(body, resource)      // a POST; a PUT is a ReadReplacement
//
// One attribute of a resource, [Resource].Rows, may be kept as rows by the store rather than as a list in the resource: members
// of a group. Operations on it come out as [RowOp] values, a delta that never needs the present members.
//
// What a client is known to send in operations although the RFC does not say so is in repair.go, one function each; what a
// value means is package value.
//
// Errors are errors.ScimError values of github.com/elimity-com/scim, safe to send to the client.
package patch

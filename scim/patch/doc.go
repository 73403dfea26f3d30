// Package patch reads SCIM PATCH requests (RFC 7644 section 3.5.2), repairs what identity providers
// are known to send, validates every operation against the schema and applies the operations to a
// resource. It reads the body of a POST or PUT as a PATCH without a path of a resource without
// attributes (ADR 17).
//
//	change, err := patch.Parse(body, resource)      // all operations are valid, or none is used
//	changed, err := patch.Apply(attrs, change.Attributes, resource)
//	full, err := patch.ReadNew(body, resource)      // a POST; a PUT is a ReadReplacement
//
// One attribute of a resource, [Resource].Rows, may be stored as rows rather than as a list in the
// resource: members of a group. Operations on it become [RowOp] values, a delta that never needs
// the present members.
//
// Repairs of operations are in repair.go, one function each. Package value reads values.
//
// Errors are errors.ScimError values of github.com/elimity-com/scim, safe to send to the client.
package patch

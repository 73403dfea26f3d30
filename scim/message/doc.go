// Package message reads and writes what SCIM messages have in common (RFC 7644 section 3.1): errors,
// the media type, and the members of a request such as a search or a bulk request.
//
// It owns which error answers which failure. It does not own what a request means.
//
//	errors.go  errors of the protocol, and the answer to an error of another package
//	member.go  Text, Scalar, List: a member of a message, or the error that names it
package message

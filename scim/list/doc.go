// Package list executes a query over a directory and writes the page (RFC 7644 section 3.4.2).
//
//	list.go     Run: from the index, or by a walk through the store in its order
//	order.go    any other order: what sorts a resource, and the page in that order
//	answer.go   the ListResponse
//	source.go   source, item: what a list needs of a kind of resource
//	users.go    users as a source: indexes, `groups`
//	groups.go   groups as a source: indexes, `members`
//	reader.go   Reader: a directory that is read at a limited pace
package list

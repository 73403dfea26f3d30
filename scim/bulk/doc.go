// Package bulk executes a bulk request (RFC 7644 section 3.7) as single requests to the routes of
// the server.
//
//	read.go        the operations of a bulk request, and where each of them goes
//	run.go         Run: in order, but what an operation refers to comes first
//	references.go  bulkIds in data and paths
package bulk

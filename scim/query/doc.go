// Package query reads what a list or a search wants (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865):
// filter, order, page and projection. Package list executes it.
//
//	parameters.go  names of parameters, however a client writes them
//	query.go       Query: from the parameters of a URL
//	search.go      from the body of a search
//	cursor.go      Position: where a page ends, and the cursor that says so
package query

// Package rows prints lists that a running server sends line by line: as a table, as CSV, or as the JSON
// lines themselves. It keeps no list: of a table the first rows decide how wide a column is.
//
// It does not own what a list consists of: the commands do.
//
//	rows.go   what is printed, and the choice of the form
//	table.go  a table
//	read.go   the answer of the server
package rows

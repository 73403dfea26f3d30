// Package live compares what a plan would make of a backend with what the vendor has now, user by user:
// the report of the first week, and of every doubt after it.
//
// It reads the vendor, never inside a transaction, and plans over what it read with the planner of the
// worker. It changes nothing, at the vendor or in the store, and remembers nothing.
//
//	report.go   Comparer, Report and its rows
//	read.go     what is read of the vendor
//	compare.go  ledger and vendor, compared as a resync does
//	rows.go     the rows of a plan, with what the vendor shows
package live

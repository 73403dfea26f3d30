// Package tables is the transaction of the port over the file: marks, ledger, accounts, events, typed tables and tallies.
//
// It owns their buckets and their checks. The directory is in package directory; transactions and commits are the caller's.
//
//	txn.go                          the transaction of the port, and its settings
//	work.go, ledger.go, accounts.go marks, entries, links and cached accounts
//	events.go, seals.go             the audit trail
//	records.go                      the typed tables
//	tallies.go, recount.go          what metrics and status show
//	check.go                        the check
package tables

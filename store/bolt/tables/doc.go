// Package tables is the transaction of the port over the file: marks, ledger, accounts, events, typed tables and tallies.
//
// It owns their buckets and their checks. It does not own the directory (package directory), transactions and commits.
//
//	txn.go                          the transaction of the port, and its settings
//	work.go, ledger.go, accounts.go marks, entries, links and cached accounts
//	events.go, seals.go             the audit trail
//	records.go                      the typed tables
//	tallies.go, recount.go          numbers of metrics and status
//	check.go                        the check
package tables

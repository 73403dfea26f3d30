// Package resync compares. Resync reads what the vendor has and compares it with the ledger: what is missing is given
// again, what is foreign is reported, and revoked if an authoritative rule says so. Repair compares the directory with
// the ledger: a difference that nothing had marked is a defect of the bridge. Admins reads targets again on which a
// last administrator is held.
//
// It sends nothing: it marks, and the marks are delivered as any other.
//
//	resync.go      Resync, when it looks again
//	compare.go     one target against the ledger
//	foreign.go     grants of others
//	comparison.go  what a comparison leaves in the store, for the report of access
//	repair.go      directory against ledger
//	admins.go      last administrators that are held
package resync

// Package access reports who has which role, now or at a moment in the past.
//
// It joins the ledger with the directory, the rules in force, the marks, the foreign grants of the last
// comparison with the vendor, and the audit trail. It reads pages, each in a transaction of its own,
// and hands rows on between them: a client that stops reading holds no transaction. It keeps a
// compact form of users, memberships and grants in memory, and never a resource. It changes nothing.
//
// It does not own the rules (package mapping), nor what becomes of a grant (package delivery).
//
//	row.go        what a report consists of
//	report.go     the report of now
//	backend.go    the ledger of a backend, target by target
//	target.go     what is read of one target
//	state.go      the state of one grant
//	shows.go      whether a comparison tells who has a role
//	people.go     users, memberships and accounts, all of them
//	scope.go      users, memberships and accounts of one user
//	trail.go      the audit trail, replayed up to a moment
//	past.go       the report of a moment in the past
//	intern.go     strings as numbers
//	memory.go     the bound of what a page after page leaves behind
//	encode.go     a row as JSON
//	blocked.go    what is blocked, and what to do
//	drift.go      what the last comparisons found foreign or missing
//	unknown.go    names that are not known, and those that are near
package access

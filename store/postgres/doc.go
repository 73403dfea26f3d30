// Package postgres is the store in a PostgreSQL database, which several replicas may have open at once.
//
// It owns the tables and their migrations, the isolation of transactions and their repetition, leases, and the refusal of a server
// that would lose what was answered. It does not own what is stored: versions, times, ids and the meaning of marks and entries are
// the callers'. It has no clock (leases go by the database's) and logs nothing.
//
// The tables (migrations/ has them in full):
//
//	identity_providers, backends     their names, as numbers
//	names                            every id and member value as a number that never changes, and whether a user or group has it
//	users, user_emails, groups       resources; their id is the number of their name, their place is from a sequence
//	memberships                      (group number, member number), and an index the other way
//	marks                            by target and subject; seq is from a sequence
//	entries, links, cached_accounts  the ledger, who is who, and what a backend said about it
//	events, unsealed, seals, anchor  the audit trail, what of it has no place in the chain yet, and the chain
//	settings                         small values by name
//	invitations, pins, …             the typed tables of the port, by their names there
//	tallies, blocked_users           what metrics and status show, kept by triggers; see migrations/0004_tallies.sql
//	leases, replicas                 who delivers to what, and who lives
//	turn                             empty; see below
//	schema_version                   the migrations that were applied
//
// A View is a read-only transaction of level repeatable read: it sees one moment. An Update is serializable: whatever its function
// read is still so when it commits, or the server undoes it and the function runs again, up to eight times, the last ones alone.
// For that every Update holds a lock on the table turn that others share, and one that is to run alone asks for it against all
// others before it reads anything. See docs/adr.
//
// What the caller of an Update sees:
//
//	nil               it is committed, on disk, and on the standby if synchronous_commit asks for one
//	an error of fn    nothing was changed
//	store.ErrFull     nothing was changed: no connection, a full disk, a server that shuts down or cannot be written to, a lock
//	                  that was not to be had, too many conflicts; it may be tried again
//	store.ErrUnknown  the answer to the commit was lost, or the primary gave up waiting for its standby: all of it was changed, or
//	                  nothing; a caller that tries again must expect that it was
//	store.ErrFenced   under a lease: it is another's or over, and nothing was changed
//
// Numbers are drawn in one order and committed in another. So a mark is settled only while it has the number that was read, never
// up to a number; places in the order of creation and numbers of events may appear below one that is already seen; and the audit
// trail is followed by its seals, which stand in one order, once and for all.
//
// Nothing is bound to a session: no prepared statements, no LISTEN, no session locks, no settings but those of a transaction. A
// proxy that gives out connections by the transaction may stand before the database.
package postgres

// Package postgres is the store in a PostgreSQL database, which several replicas may have open at once.
//
// It owns the tables and the statements on them. It does not own the contents: versions, times, ids
// and the meaning of marks and entries are the callers'. It has no clock (leases use the database's) and
// logs nothing. The packages below it, each without knowledge of this one:
//
//	schema    the steps from an empty database to the tables
//	pgtx      a server that keeps what it answers; transactions, their repetition and their commit
//	turns     the Updates of one resource, one after another
//	recall    rows that a transaction has read, and rows that it reads together
//	leases    leases, the fence of an Update, and replicas
//	trail     events and their seals
//	pgtext    strings and times as the database can hold them
//
// The tables (schema/migrations/ has them in full):
//
//	identity_providers, backends     their names, as numbers
//	names                            every id and member value as a number that never changes, and whether a user or group has it
//	users, user_emails, groups       resources; their id is the number of their name, their place is from a sequence
//	memberships                      (group number, member number), and an index the other way
//	marks                            by target and subject; seq is from a sequence
//	entries, links, cached_accounts  the ledger, users' accounts, and answers of the vendor about accounts
//	events, unsealed, seals, anchor  the audit trail, its events without a place in the chain, and the chain
//	settings                         small values by name
//	invitations, pins, …             the typed tables of the port, by their names there
//	tallies, blocked_users           numbers of metrics and status, kept by triggers; see schema/migrations/0004_tallies.sql
//	leases, replicas                 the replica that delivers to a backend, and the replicas that are alive
//	turn                             empty; see below
//	schema_version                   the migrations that were applied
//
// A View is a read-only transaction of level repeatable read: it sees one moment. An Update is
// serializable: if data that its function read has changed before the commit, the server undoes it and the
// function runs again. It runs up to eight times, at last alone. For that every Update holds a shared lock
// on the table turn; an Update that must run alone takes that lock exclusively before it reads. See
// docs/adr.
//
// The errors of an Update:
//
//	nil               committed, on disk, and on the standby if synchronous_commit requires one
//	an error of fn    no change
//	store.ErrFull     no change: no connection, a full disk, a server that shuts down or is read-only, a
//	                  lock that is not free, too many conflicts; the caller may try again
//	store.ErrUnknown  the answer to the commit was lost, or the primary stopped waiting for its standby:
//	                  all or nothing was changed, and a caller that tries again must expect both
//	store.ErrFenced   no change: the lease is lost
//
// A transaction avoids waits for the server. It reads no row twice: it sees one moment, and its own changes
// drop or replace what it has read (kept.go). The rows of users whose marks one list had are read together.
// A write whose answer has no effect on the function is sent with the next statement that is read, or
// before the commit. docs/performance.md has the numbers.
//
// Numbers are assigned in one order and committed in another. So a mark is settled by the number that was
// read, never up to a number. Places in the order of creation and numbers of events may appear below ones
// that were already read. Readers of the audit trail follow its seals, whose order is final.
//
// Nothing is bound to a session: no prepared statements, no LISTEN, no session locks, and only settings of
// a transaction. A proxy that assigns connections per transaction may be in front of the database.
package postgres

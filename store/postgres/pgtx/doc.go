// Package pgtx connects to a PostgreSQL server that keeps what it answers, and runs transactions on it.
//
// It owns isolation, repetition after a conflict or a lost connection, the commit and its errors, and the
// exchange of statements. It does not know the tables, except the empty table turn that an Update locks.
//
//	connect.go    a pool of connections to a server that is fit
//	update.go     View and Update: begin, repeat, commit
//	statement.go  the statements of a transaction; writes wait for the next statement that is read
//	remedy.go     the next step after usual refusals
package pgtx

// Package change executes what one request changes in a directory: the resource, its membership
// rows, the dirty marks for delivery and the audit event, all in one transaction.
//
// It does not own what a body means (package patch), what a stored resource looks like (package
// resource), or what a group gives (Rules is handed in).
//
//	change.go    Writer: one request, one store.Update, the answer and the nudges
//	users.go     create, replace, patch, delete a user
//	groups.go    the same for a group
//	members.go   membership rows: add, remove, replace, and the net difference
//	removals.go  members that a request removes without naming them, read ahead of the transaction
//	marks.go     dirty marks
//	audit.go     audit events
package change

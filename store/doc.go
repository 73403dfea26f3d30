// Package store is the port to the durable state: what identity providers want (users, groups, memberships), what
// is still to be delivered (marks), what was granted (the ledger), who is who on a backend (links and cached
// accounts), and what happened (events).
//
// It owns the types and what they promise. It does not know backends, SCIM requests, or the rules that lead from a
// group to a role, and has no implementation: those are the packages below it, and storetest holds each of them to
// the same contract.
//
// Everything is reached through the closures of View and Update:
//
//	Store --View, Update--> Tx -+- Directory(idp)     users, groups, members
//	                            +- Work(backend)      marks
//	                            +- Ledger(backend)    entries
//	                            +- Accounts(backend)  links, cached accounts
//	                            +- Events()           the audit trail
//
// What does not exist is ErrNotFound, also for every method that names a group that is not there. Reading the
// directory of an identity provider, or the work of a backend, that nothing was ever written to finds nothing.
package store

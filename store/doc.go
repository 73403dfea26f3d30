// Package store is the port to the durable state: the directories of identity providers (users, groups,
// memberships), marks, the ledger, links of users to accounts, and events.
//
// It owns the types and their contract. It does not know vendors, SCIM requests, or rules. The
// implementations are the packages below it, and package storetest checks each of them against the same
// contract.
//
// Everything is reached through the closures of View and Update:
//
//	Store --View, Update--> Tx -+- Directory(idp)     users, groups, memberships
//	                            +- Work(backend)      marks
//	                            +- Ledger(backend)    entries
//	                            +- Accounts(backend)  links, cached accounts
//	                            +- Events()           the audit trail
//	                            +- Records()          the typed tables: see package record
//
// A method returns ErrNotFound for a resource, or a group in its arguments, that does not exist. The
// directory of an unknown identity provider, and the work of an unknown backend, are empty.
package store

// Package view reads what the store says of one backend: who is which account, what they should have, what they have,
// what waits. From that it makes the snapshot of a target that package plan computes from. The loop of package delivery
// and the desk of operators read the same view, so that what is printed is what is sent.
//
// It calls no vendor and, but for forgetting users who are gone, writes nothing.
//
//	view.go        View and its settings
//	snapshot.go    the snapshot of a target; plan.go the plan that follows from it
//	load.go        an account: its ledger, its users, what the rules give them
//	membership.go  what an account has beyond roles, and requests for accounts
//	cache.go       what listings showed, and how old that is
//	targets.go     the targets of rules, of the ledger and of a user
//	origin.go      who asked for what
//	account.go     what a visit has read; person.go the user of a mark
package view

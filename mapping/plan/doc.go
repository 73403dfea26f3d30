// Package plan decides what is sent to a vendor. Planner.Plan is a pure function: a Snapshot of one
// target goes in, a Plan comes out. What the worker sends, what the command `plan` prints and what
// a brake holds come from this one function.
//
// It owns the comparison of desired grants with the ledger, the brakes and
// the cut into calls. It does not read the store, call a vendor or keep anything between two plans:
// package delivery reads the snapshot, records what the plan decides and executes its calls.
//
// Some decisions depend on facts that cost a read. Plan then returns what it Needs; the worker reads
// that into the snapshot and plans again.
//
//	snapshot.go  what a plan is made of: accounts, wishes, the ledger of the target
//	planner.go   Planner, Plan and Call; the order of the decisions
//	decide.go    desired grants against the ledger, account by account
//	borrow.go    grants that came by a changed value
//	brakes.go    what is held, and why
//	limits.go    max_removals and max_offboardings
//	admins.go    the last administrator
//	sets.go      the permission sets of a target
//	offboard.go  what an account loses beyond roles
//	invite.go    accounts that are missing
//	batch.go     the cut into calls
package plan

// Package delivery makes the backends agree with the directory. One Worker per backend runs a level-triggered
// loop: it looks at marks ("this person's grants on this target may be wrong"), computes what should be from the
// directory as it is at that moment, compares that with the ledger, and sends the smallest set of calls. Retries,
// duplicates, crashes and changed rules are all the same path.
//
// What must be sent, and what a brake holds, is decided by package plan: the worker reads a snapshot of a
// target, records what the plan decides and makes its calls, each after an attempt on record.
//
// It owns the ledger, the links between users and accounts, and what happens to a mark after it was made. It
// does not own how a vendor is spoken to (package backend), what a group means (package mapping) or when a mark
// is made for a request (package scim). It makes no call inside a transaction.
//
// A mark:
//
//	Touch ──▶ pending ──▶ settled (deleted; only at the sequence number that was worked on)
//	             │ ▲
//	             │ └─ retried: in memory, per target, with back-off
//	             ├──▶ blocked: no account, refused by the vendor; tried again on a slow clock and on the next Touch
//	             └──▶ held: waits for an operator
//
// An entry of the ledger (a grant of one account):
//
//	(none) ──begin──▶ open ──clean answer──▶ present ──begin──▶ open ──clean answer──▶ (deleted)
//	                   │
//	                   ├──refused by the vendor──▶ as it was before
//	                   └──anything else, or a crash──▶ in doubt until the straggler window has passed;
//	                       the newest value is sent at once all the same, then read back or sent once more
//
// What happens to a failure (docs/reliability.md has the same with reasons):
//
//	answer                           may have been applied    then
//	success                          yes                      closed
//	never left                       no                       back-off
//	transient: timeout, reset, 5xx   yes, also later          in doubt; sent at once, read back after the window
//	throttled, unauthorized          in part, not later       the backend pauses (403: the target)
//	missing target                   no                       blocked: no_target; so it is if reading it says so
//	rejected                         in part, not later       halved; alone: blocked with the reason
//	a refused or unreadable listing  no                       back-off
//	not in a listing that is not     no                       blocked: no_account, or not_shown; looked for again, never
//	whole                                                     invited
//	shown with another account            no                       its users are marked on every target
//	a refused removal, touched lately                         waits, also if a read shows it as done: reads may lag
//	403 of a batch                   in part, not later       halved; alone: blocked; three in a row: the target pauses
//
// A removal that a brake catches never gets that far:
//
//	present ──not wanted, caught──▶ held ──approved──▶ begin …        (counted by no limit)
//	   ▲                              │ └──rejected──▶ (deleted: disowned)
//	   └────────wanted again──────────┘
//
// A hold of a protected account, or of the last administrator, is over when its reason is: see recheck.go.
//
// A resync compares the ledger with what is there: present and twice not seen is unknown, and given again.
//
// Over a store that several replicas share a Candidate stands for election (package lead) and makes a Worker for each term. A
// take-over is a restart: what the next worker must know is in the store (marks, ledger, holds, what the limits count, until when
// the vendor does not want to be called, what commands asked for), and all else that a Worker remembers is learnt again.
// docs/adr/0015 has it item by item.
package delivery

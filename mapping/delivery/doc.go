// Package delivery makes the backends agree with the directory. One Worker per backend runs a level-triggered
// loop: it looks at marks ("this person's grants on this target may be wrong"), computes what should be from the
// directory as it is at that moment, compares that with the ledger, and sends the smallest set of calls. Retries,
// duplicates, crashes and changed rules are all the same path.
//
// It owns the visit: which target is due is package flight's, who is which account package lookup's, what must be sent
// and what a brake holds package plan's, from a snapshot that package view reads. The worker records what a plan decides
// and makes its calls, each after an attempt on record. Package resync compares with the vendor, package desk answers
// operators. How a vendor is spoken to is package backend's, what a group means package mapping's, when a mark is made
// for a request package scim's. No call is made inside a transaction.
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
// A hold of a protected account, or of the last administrator, is over when its reason is: see package resync.
//
// A resync compares the ledger with what is there: present and twice not seen is unknown, and given again.
//
// Over a store that several replicas share a Candidate stands for election (package lead) and makes a Worker for each term. A
// take-over is a restart: what the next worker must know is in the store (marks, ledger, holds, what the limits count, until when
// the vendor does not want to be called, what commands asked for), and all else that a Worker remembers is learnt again.
// docs/adr/0015 has it item by item.
//
// The files, in the order in which a change passes through them:
//
//	worker.go       the Worker, its settings, Run and RunOnce
//	loop.go         a round: what is due, and one visit to a target
//	visit.go        what a visit knows of accounts; snapshot.go plans, step.go turns a plan into calls
//	verify.go       doubt whose window has passed is settled first
//	record.go       what a plan decides without a call: whose a grant is; held.go and ends.go holds
//	deliver.go      an attempt is recorded, the call is made, its outcome recorded
//	offboard.go     ends of memberships and accounts; invite.go requests for accounts
//	split.go        a refused batch is halved; refused.go decides about one refused entry
//	settle.go       a mark is settled, parked or passed on
//	limits.go       what the limits have counted; targetlimit.go how many targets a rule may make
//	start.go        what a start finds open; inforce.go other rules; clock.go a clock that is set
//	trail.go        the audit trail
//	candidate.go    elections, where several replicas share a store
package delivery

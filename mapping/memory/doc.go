// Package memory is what the store remembers of one backend between visits: accounts that were ended or kept, requests
// for accounts, disowned grants, held off-boardings, commands of operators, and the events of decisions. It also has
// what all rooms of delivery share: windows of time, what was called a moment ago.
//
// It decides nothing: package plan does. What the records hold is the store's.
//
//	memory.go     Memory, the records of one backend
//	records.go    one method for each kind of record
//	ends.go       held off-boardings, and which holds were listed
//	removals.go   removals that a limit counts
//	commands.go   commands of operators, and marks that are looked at again
//	condition.go  how a backend is doing, for other replicas
//	trail.go      events of the audit trail, and who asked
//	recent.go     what was called a moment ago: a read may be older
//	clock.go      windows of time; parts.go work in bounded transactions
//	label.go      an account as a log shows it
package memory

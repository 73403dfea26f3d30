// Package flight decides which target is visited when. Several targets are worked on at once, each in a goroutine of
// its own, but only the one that has the turn runs: it passes the turn on while it waits for the vendor, and at no other
// time. So what a worker remembers needs no lock, and what lies between two calls is as if there were one goroutine.
// What another flight may change during a call is looked at again after it: see Fenced, ClaimEnd and package lookup.
//
// It knows nothing of what a visit does.
//
//	flights.go  Flights: the turn, what is under way, how much may be
//	due.go      which targets are due, in which order
//	preempt.go  listings that end for off-boardings
//	vendor.go   calls that pass the turn on
package flight

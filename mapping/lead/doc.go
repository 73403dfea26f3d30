// Package lead decides which of several replicas delivers to a backend: the one that holds the lease. It
// renews the lease, and fences the calls to the vendor and the writes to the store of each term, so that
// nothing of an older term takes effect.
//
// It does not know how delivery works: what delivers is made for each term and runs until the term ends.
//
//	elector.go  Elector: acquire, lead, renew, release
//	term.go     how long the lease can be trusted
//	fence.go    calls that end with the term
//	clock.go    the clock of the shared store
package lead

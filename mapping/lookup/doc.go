// Package lookup turns the marks of a target into accounts: it finds the account of a user in the store or in a listing
// of the vendor, and commits what it learnt. A user who has another account now, or none, has the former one marked
// wherever it holds something: a changed address is a revocation and a grant.
//
// It gives and revokes nothing.
//
//	finder.go   Finder
//	read.go     the marks of a target, and their users
//	link.go     who is which account
//	listing.go  listings, and the cache that they replace
//	sweep.go    a mark of a whole target, of a user everywhere, or of an event, as single marks
package lookup

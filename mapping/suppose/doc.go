// Package suppose shows a store as it would be: after changes of the directory that were only
// proposed, or with what a vendor shows now. A plan over such a store is a plan of the same code as
// any other, so that an answer to "what if" cannot differ from what is done later.
//
// It changes nothing, and calls no vendor.
//
//	suppose.go    Store, and the transaction that its views are given
//	question.go   the text of a supposition, and the names in it
//	directory.go  users, groups and memberships after it
//	work.go       the marks that it would make
//	vendor.go     accounts, ledger and listings as a vendor shows them
package suppose

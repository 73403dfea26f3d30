// Package kv is a transaction of bbolt as the tables use it.
//
// It owns the namespaces (the buckets of an identity provider or a backend), scans that bear changes meanwhile, and what is
// learnt about a large change before it is made. It does not know what the buckets hold.
//
//	tx.go         the transaction and its writes
//	namespace.go  buckets of a namespace, and counts in them
//	scan.go       scans, and look-ups of keys that come in order
//	foresight.go  changes that are prepared before their function runs again
//	checker.go    what the checks of the tables share
package kv

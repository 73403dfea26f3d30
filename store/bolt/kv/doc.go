// Package kv is a transaction of bbolt as the tables use it.
//
// It owns the namespaces (the buckets of an identity provider or a backend), scans that allow changes
// meanwhile, and the survey of large changes before they are made. It does not know the contents of buckets.
//
//	tx.go         the transaction and its writes
//	namespace.go  buckets of a namespace, and counts in them
//	scan.go       scans, and look-ups of keys that come in order
//	foresight.go  changes that are prepared before their function runs again
//	checker.go    the collector of problems for the checks of the tables
package kv

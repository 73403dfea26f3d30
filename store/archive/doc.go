// Package archive writes a store as JSON lines and reads them into another one: for support, and for
// moving between kinds of stores.
//
// It owns the form of the lines. They leave out marks, because a start marks everything, and cached
// accounts, which are read again. The chain of the audit trail keeps its places and digests; the events
// get new numbers.
package archive

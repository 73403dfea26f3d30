// Package archive writes a store as JSON lines and reads them into another one: for support, and for moving between kinds of
// stores.
//
// It owns the form of the lines. What it does not carry is made again by itself: marks (a start marks everything), and the
// accounts that a backend was asked for. The chain of the audit trail keeps its places and digests; the numbers of the events are
// made again.
package archive

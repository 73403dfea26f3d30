// Package storetest checks implementations of store.Store against one contract. Run is the contract.
// Package model compares a store with plain maps over thousands of random changes, and package reread reads
// what a transaction has changed. Check, for all tests that use a store, checks its consistency. This
// package knows only the port.
package storetest

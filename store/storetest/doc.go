// Package storetest checks implementations of store.Store against one contract. Run is the contract, and
// package model compares a store with plain maps over thousands of random changes. Check, for all tests that
// use a store, checks its consistency. This package knows only the port.
package storetest

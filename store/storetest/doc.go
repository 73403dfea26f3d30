// Package storetest holds implementations of store.Store to one contract. Run is the contract, Model compares a
// store with plain maps over thousands of random changes, and Check, for the tests of everybody who uses a store,
// says whether what is in it is consistent. Nothing here knows more than the port.
package storetest

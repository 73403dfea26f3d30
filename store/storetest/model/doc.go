// Package model compares a store with a model in maps: it applies random changes to both and compares all
// contents.
//
// It owns the model. Comparisons that the contract needs too are in package storetest.
//
//	model.go     the run, the maps and the comparison
//	modelops.go  changes of the directory, and the choice of the next change
//	workops.go   changes of marks, ledger, accounts, records and events
package model

// Package model holds a store to a model of it in maps: random changes are applied to both, and everything is compared.
//
// It owns the model. The comparisons that it shares with the contract are in storetest.
//
//	model.go     the run, the maps and the comparison
//	modelops.go  changes of the directory, and the choice of the next change
//	workops.go   changes of marks, ledger, accounts, records and events
package model

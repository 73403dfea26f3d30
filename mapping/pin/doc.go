// Package pin binds the names of groups to groups: a group that takes the name of another one gives nothing by a rule
// with `pin` until an operator accepts it. The bindings are in the store and are written in the transaction that gives
// a group its name, so that neither a restart, other rules nor another replica can come between.
//
//	pin.go   a binding, and rules over the names as they are bound
//	bind.go  bindings that rules need, or do not need any longer
//	held.go  groups that wait for an operator
package pin

// Package mapping turns rules into grants: Compile checks the rules of the configuration, Rules.Desired says
// what a user's groups give, and Rules.Explain which group and which rule gave it.
//
// It is a pure function from the vocabulary of package store to that of package backend. It does no I/O, reads
// no clock, and remembers nothing: that two groups giving the same role count twice follows from computing the
// union each time, not from counting.
//
// It owns when a name is one that a rule means (Name, Plain). It does not own delivery (package delivery), the configuration's form
// (package bridge), or which group a name is bound to for rules with Pin: that comes in with Rules.With.
package mapping

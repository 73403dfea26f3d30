// Package value reads the JSON of a request and converts the values of attributes to the form of
// the schema.
//
// It owns the one check of a JSON text (valid, UTF-8, not too deep, no key twice), which every body
// passes first, and the repairs of values that clients are known to send: a JSON text for an
// object, a list of one for a single value, a number for a string. POST, PUT and PATCH read values
// only here, so they understand the same. Operations, paths and resources are in package patch.
//
//	check.go   Parse: the one check of a JSON text
//	json.go    JSON, a checked value: its kind, its elements, its members
//	read.go    Reader: a value by the schema
//	repair.go  forms that clients are known to send and the RFC does not have
//	fault.go   Fault: which attribute is wrong, what was expected, what was there
package value

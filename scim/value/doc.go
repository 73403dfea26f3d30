// Package value reads the JSON of a request and brings what a client gives for an attribute into the form that the schema has.
//
// It owns the one check of a JSON text (valid, UTF-8, not too deep, no key twice), which is made once in front of everything
// else, and the repairs of values that clients are known to send: a JSON text for an object, a list of one for a single value,
// a number for a text. POST, PUT and PATCH read values here and nowhere else, so they understand the same. It knows nothing of
// operations, paths and resources: that is package patch.
//
//	check.go   Parse: the one check of a JSON text
//	json.go    JSON, a checked value: its kind, its elements, its members
//	read.go    Reader: a value by the schema
//	repair.go  what clients are known to send although the RFC has it otherwise
//	fault.go   Fault: which attribute is wrong, what was expected, what was there
package value

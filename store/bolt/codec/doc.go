// Package codec is how records and keys are written in the file: a version, a checksum over key and payload, and the fields.
//
// It owns the encoding, the sealing of records and the blocks of numbers and of names. It knows no bucket and no transaction.
//
//	codec.go      records, keys, numbers
//	block.go      256 numbers that are there or not: memberships
//	nameblock.go  sixteen names
package codec

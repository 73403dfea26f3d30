// Package codec encodes the records and keys of the file: a version, a checksum over key and payload, and
// the fields.
//
// It owns the encoding, the sealing of records and the blocks of numbers and of names. It knows no buckets
// and no transactions.
//
//	codec.go      records, keys, numbers
//	block.go      sets of numbers among 256: memberships
//	nameblock.go  blocks of sixteen names
package codec

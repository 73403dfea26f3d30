// Package pgtext encodes strings and times of the port for PostgreSQL, which accepts no zero byte and no
// long key.
//
// It owns the escapes and the shortening of keys. It has no statements.
package pgtext

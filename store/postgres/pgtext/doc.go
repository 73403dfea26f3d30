// Package pgtext is how strings and moments of the port are kept in PostgreSQL, which takes no zero byte and no long key.
//
// It owns the escapes and the shortening of keys. It makes no statement.
package pgtext

package kv

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

// maxProblems bounds the problems that Check reports: a few help to find the cause.
const maxProblems = 20

// Checker collects the problems of a file.
type Checker struct {
	Tx       *Tx
	Problems []error
}

// Note adds an error, unless it is nil or there are too many.
func (c *Checker) Note(where string, err error) {
	if err != nil && len(c.Problems) < maxProblems {
		c.Problems = append(c.Problems, fmt.Errorf("check %s: %w", where, err))
	}
}

// Wrong adds an inconsistency.
func (c *Checker) Wrong(where, format string, args ...any) {
	c.Note(where, fmt.Errorf(format+": %w", append(args, store.ErrDamaged)...))
}

// Each calls check with the name of every namespace under a top.
func (c *Checker) Each(top string, check func(name string)) {
	for k := range c.Tx.Scan(c.Tx.Btx.Bucket([]byte(top)), nil, 0) {
		check(string(k))
	}
}

// Count counts the keys of a bucket.
func (c *Checker) Count(b *bbolt.Bucket) int {
	n := 0
	for range c.Tx.Scan(b, nil, 0) {
		n++
	}
	return n
}

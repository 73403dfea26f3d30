// Package breaker keeps a backend, or one of its targets, from being called for a while after a failure, and knows how
// both are doing. What the other replicas must know it leaves in the store: a pause that the vendor asked for holds for
// the replica that takes over, too.
//
// It decides nothing about the work that failed: package delivery does.
package breaker

package store

import (
	"context"
	"errors"
	"time"
)

// Errors of a Shared store about leases.
var (
	ErrHeld   = errors.New("held by another replica")        // Take
	ErrFenced = errors.New("the lease is another's or over") // Renew, and Update under a lease: nothing was changed
)

// Lease is the right of one replica to deliver to a backend. It lasts until Until by the clock of the
// store; the clocks of the replicas need not agree.
type Lease struct {
	Name  string // of the backend
	Owner string // the id of a replica
	Term  uint64 // grows with every Take
	Until time.Time
	Now   time.Time // the store's clock when it returned the lease
}

// Replica is a process that serves the store, as it last announced itself.
type Replica struct {
	ID      string // every process makes one
	Address string // of its console, by which operators know it
	Version string
	Started time.Time // by its own clock
	Seen    time.Time // by the store's
	Now     time.Time // the store's clock when it returned the replica
}

// Shared is a Store that several processes can have open at once. Its methods may be called concurrently,
// and must not be called inside a transaction.
type Shared interface {
	Store
	// Take gives a lease that is free or over to an owner for ttl, with a new term. Otherwise it returns
	// ErrHeld, also to the owner, which must renew it.
	Take(ctx context.Context, name, owner string, ttl time.Duration) (Lease, error)
	// Renew extends a held lease to ttl from now; ErrFenced if it is lost. The caller counts ttl from before the call.
	Renew(ctx context.Context, l Lease, ttl time.Duration) (Lease, error)
	// Release ends a lease, so that another replica need not wait. It has no effect on another's lease. The term stays.
	Release(ctx context.Context, l Lease) error
	// Leases lists every lease that was ever taken, by name; one that is over has an Until that is not after Now.
	Leases(ctx context.Context) ([]Lease, error)
	// Under returns this store with a fence: every Update checks in its transaction that the lease is held,
	// and otherwise fails with ErrFenced. It is closed with the store.
	Under(l Lease) Store

	// Announce records that a replica is alive; Replicas lists those of the last day, by id.
	Announce(ctx context.Context, r Replica) error
	Replicas(ctx context.Context) ([]Replica, error)
}

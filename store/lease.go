package store

import (
	"context"
	"errors"
	"time"
)

// What a Shared store can say about leases.
var (
	ErrHeld   = errors.New("held by another replica")        // Take
	ErrFenced = errors.New("the lease is another's or over") // Renew, and Update under a lease: nothing was changed
)

// Lease is the right to be the only one who delivers to a backend. It lasts until Until, by the clock of the store, which is the
// only one that decides: the clocks of the replicas need not agree.
type Lease struct {
	Name  string // what is leased: a backend
	Owner string // the id of a replica
	Term  uint64 // grows with every Take that is not by the owner of a lease that still lasts
	Until time.Time
	Now   time.Time // the store's clock when it gave or listed the lease
}

// Replica is a process that serves the store, as it last announced itself.
type Replica struct {
	ID      string // made anew by every process
	Address string // where its console listens: what operators know it by
	Version string
	Started time.Time // by its own clock
	Seen    time.Time // by the store's
	Now     time.Time // the store's clock when it listed the replica
}

// Shared is a Store that several processes may have open at once. Its methods may be called concurrently, and none is called
// inside a transaction.
type Shared interface {
	Store
	// Take gives the lease to an owner for ttl if nobody holds it or its time is over: with a new epoch. Otherwise it is ErrHeld, also
	// for its owner, who renews it.
	Take(ctx context.Context, name, owner string, ttl time.Duration) (Lease, error)
	// Renew lets a lease that is still held last for ttl from now; ErrFenced. A caller counts its time from before the call.
	Renew(ctx context.Context, l Lease, ttl time.Duration) (Lease, error)
	// Release ends a lease, so that another replica need not wait; a lease that is another's is left alone. The epoch stays.
	Release(ctx context.Context, l Lease) error
	// Leases lists those that were ever taken, by name; one that is over has an Until that is not after Now.
	Leases(ctx context.Context) ([]Lease, error)
	// Under is this store, but every Update checks in its own transaction that the lease is held, and fails with ErrFenced
	// otherwise. It is closed with the store.
	Under(l Lease) Store

	// Announce says that a replica lives; Replicas lists those that did within the last day, by id.
	Announce(ctx context.Context, r Replica) error
	Replicas(ctx context.Context) ([]Replica, error)
}

package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/scim/notify"
	"github.com/scimbridge/scimbridge/store"
)

// silentAfter is after how long without a sign of life a replica counts as dead.
const silentAfter = 15 * time.Second

// ReplicaStatus is a process that serves the same store.
type ReplicaStatus struct {
	ID         string    `json:"id"`
	Address    string    `json:"address"`
	Version    string    `json:"version,omitempty"`
	Since      time.Time `json:"since"`
	Seen       time.Time `json:"last_seen"`
	Alive      bool      `json:"alive"`
	This       bool      `json:"this,omitempty"` // the replica that answers
	DeliversTo []string  `json:"delivers_to"`
}

// LeaderStatus is which replica delivers to a backend. Term counts the terms.
type LeaderStatus struct {
	Replica string    `json:"replica"`
	Address string    `json:"address"`
	Term    uint64    `json:"epoch"`
	Until   time.Time `json:"until"`
}

// replicas lists the replicas that share the store, by address, and the replica that delivers to
// each backend. A dead replica is listed for a day, unless another has its address. It returns
// nothing if the store is not shared.
func (c *Console) replicas(ctx context.Context) (all []ReplicaStatus, leaders map[string]LeaderStatus, err error) {
	if c.Shared == nil {
		return nil, nil, nil
	}
	known, err := c.Shared.Replicas(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("listing replicas: %w", err)
	}
	leases, err := c.Shared.Leases(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("listing leases: %w", err)
	}
	alive := func(r store.Replica) bool { return r.Now.Sub(r.Seen) < silentAfter }
	for _, r := range known {
		replaced := func(o store.Replica) bool { return o.Address == r.Address && o.Seen.After(r.Seen) }
		if !alive(r) && slices.ContainsFunc(known, replaced) {
			continue
		}
		all = append(all, ReplicaStatus{ID: r.ID, Address: r.Address, Version: r.Version, Since: r.Started, Seen: r.Seen, Alive: alive(r), This: r.ID == c.Self, DeliversTo: []string{}})
	}
	leaders = map[string]LeaderStatus{}
	for _, l := range leases {
		if !l.Until.After(l.Now) || l.Name == notify.Lease { // not of a backend
			continue
		}
		leader := LeaderStatus{Replica: l.Owner, Term: l.Term, Until: l.Until}
		for i := range all {
			if all[i].ID == l.Owner {
				leader.Address = all[i].Address
				all[i].DeliversTo = append(all[i].DeliversTo, l.Name)
			}
		}
		leaders[l.Name] = leader
	}
	slices.SortFunc(all, func(a, b ReplicaStatus) int {
		return strings.Compare(a.Address+"\x00"+a.ID, b.Address+"\x00"+b.ID)
	})
	return all, leaders, nil
}

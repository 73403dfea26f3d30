package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

const simReplicas = "SCIMBRIDGE_SIM_REPLICAS"

// TestSimulationOfReplicas runs three replicas that are stopped, started and stand still for up to 40 s, over a store that is cut off now and
// then, before a vendor that fails. No two of them call at once, and the roles end as the rules say. SCIMBRIDGE_SIM_REPLICAS is how
// many seeds.
func TestSimulationOfReplicas(t *testing.T) {
	seeds := 20
	if os.Getenv("SCIMBRIDGE_LONG") != "" {
		seeds = 1000
	}
	if v := os.Getenv(simReplicas); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		seeds = n
	}
	for seed := range seeds {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateReplicas(t, rand.New(rand.NewPCG(uint64(seed), 11))) })
		})
		if !ok {
			break
		}
	}
}

func simulateReplicas(t *testing.T, rnd *rand.Rand) {
	const people, steps = 4, 60
	f := newFleet(t, admins)
	f.group("okta", "Admins")
	f.people(people)
	var calm bool
	faults := rand.New(rand.NewPCG(rnd.Uint64(), 13)) // under f.mu
	f.trouble = func(ctx context.Context) error {
		f.mu.Lock()
		takes := time.Duration(faults.IntN(40_000)) * time.Millisecond
		f.mu.Unlock()
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return backendGone(ctx)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if chance := faults.IntN(10); !calm && chance < 4 {
			e := &backend.Error{Kind: backend.Transient, Doing: "changing roles", Status: 502}
			f.vendor.answers = []answer{{err: e, apply: chance == 0, late: chance == 1}}
		}
		return nil
	}
	started := 0
	start := func() *replica {
		started++
		return f.start(fmt.Sprint("r", started))
	}
	all := []*replica{start(), start(), start()}
	still := map[*replica]time.Time{}
	var cut time.Time
	wanted := map[int]bool{}
	for range steps {
		f.wait(time.Duration(rnd.IntN(5000)) * time.Millisecond)
		f.mu.Lock()
		for _, late := range f.vendor.late {
			late()
		}
		f.vendor.late = nil
		f.mu.Unlock()
		for r, until := range still {
			if time.Now().After(until) {
				delete(still, r)
				r.gate.open()
			}
		}
		if time.Now().After(cut) {
			f.leases.Cut(nil)
		}
		i, r := rnd.IntN(len(all)), rnd.IntN(people)+1
		_, stands := still[all[i]]
		switch rnd.IntN(8) {
		case 0, 1:
			if !stands {
				all[i].gate.close()
				still[all[i]] = time.Now().Add(time.Duration(rnd.IntN(40_000)) * time.Millisecond)
			}
		case 2:
			if !stands {
				all[i].stop()
				all[i] = start()
			}
		case 3:
			f.leases.Cut(errors.New("the network is away"))
			cut = time.Now().Add(time.Duration(rnd.IntN(20_000)) * time.Millisecond)
		default:
			if wanted[r] = !wanted[r]; wanted[r] {
				f.join("okta", fmt.Sprint("u", r), "Admins")
			} else {
				f.leave("okta", fmt.Sprint("u", r), "Admins")
			}
		}
	}
	f.leases.Cut(nil)
	for r := range still {
		r.gate.open()
	}
	f.mu.Lock()
	calm = true
	f.mu.Unlock()
	f.wait(15 * time.Minute)
	for i := 1; i <= people; i++ {
		if got := f.vendor.holds[fmt.Sprint("acme/a", i)]["ADMIN"]; got != wanted[i] {
			t.Errorf("a%d has the role: %v, want %v", i, got, wanted[i])
		}
	}
	f.expectCounts("pending 0, blocked 0, held 0")
	for _, r := range all {
		r.stop()
	}
	var leases []store.Lease
	leases, err := f.leases.Leases(t.Context())
	if err != nil || len(leases) != 1 || leases[0].Term < 2 {
		t.Errorf("%+v %v: no replica ever took over", leases, err)
	}
}

package bridge_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// faults is how many a run has: SCIMBRIDGE_FAULTS.
func faults(t *testing.T) int {
	t.Helper()
	if v := os.Getenv("SCIMBRIDGE_FAULTS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if os.Getenv("SCIMBRIDGE_LONG") != "" {
		return 25
	}
	return 7
}

// TestReplicasUnderFaults lets three replicas over one database live through kills, stops, cut and swallowed connections and kills of the
// database, with clocks that are wrong by ten minutes, under load. No change that was answered is missing, the roles become those of
// the groups, nothing that was taken is given again, and no two calls are under way on a target.
func TestReplicasUnderFaults(t *testing.T) {
	d := newDatabase(t)
	d.create()
	d.start()
	f := newCluster(t, 3, []time.Duration{0, 10 * time.Minute, -10 * time.Minute}, d)
	f.start()
	r := rand.New(rand.NewPCG(f.seed, 0))
	counts := map[string]int{}
	slowest := time.Duration(0)
	kinds := []string{"kill", "kill of the leader", "graceful stop of the leader", "stop for longer than the lease", "stopping the leader for longer", "kill of the database", "cut", "swallow"}
	for round := range faults(t) {
		kind := kinds[(round+int(f.seed%8))%len(kinds)]
		counts[kind]++
		ctx, cancel := context.WithCancel(context.Background())
		var load sync.WaitGroup
		load.Go(func() { f.load(ctx, round) })
		wait := func(most int) { <-time.After(time.Duration(100+r.IntN(most)) * time.Millisecond) } // load before, during and after the fault
		wait(400)
		m := f.replicas[r.IntN(len(f.replicas))]
		if strings.Contains(kind, "leader") {
			m = f.leader([]string{"vt", "rc"}[r.IntN(2)])
		}
		began := time.Now()
		switch kind {
		case "kill", "kill of the leader":
			_ = m.p.cmd.Process.Kill()
			<-m.p.done
			f.noteFailover(began, &slowest)
			m.p = m.launch()
		case "graceful stop of the leader":
			_ = m.p.cmd.Process.Signal(syscall.SIGTERM)
			if err := <-m.p.done; err != nil {
				t.Errorf("stopped with %v", err)
			}
			m.p = m.launch()
		case "stop for longer than the lease", "stopping the leader for longer":
			f.away.Store(m) // the load balancer sees that it does not answer
			_ = m.p.cmd.Process.Signal(syscall.SIGSTOP)
			<-time.After(shortLease + time.Duration(r.IntN(4000))*time.Millisecond)
			f.noteFailover(began, &slowest)
			_ = m.p.cmd.Process.Signal(syscall.SIGCONT)
			f.away.Store(nil)
		case "kill of the database":
			d.kill()
			wait(1000)
			d.start()
		case "cut":
			for range 5 {
				m.ways[0].cut()
				wait(100)
			}
		case "swallow":
			m.ways[0].swallow()
			<-time.After(time.Duration(r.IntN(6000)) * time.Millisecond)
			m.ways[0].cut()
			m.ways[0].heal()
		}
		wait(400)
		cancel()
		load.Wait()
		f.compare()
		if t.Failed() {
			t.Fatalf("round %d: %s", round, kind)
		}
	}
	f.end()
	changes := 0
	for _, all := range f.wishes {
		changes += len(all)
	}
	t.Logf("%d faults %v, %d changes asked for, %d took effect, slowest fail-over %s with a lease of %s", faults(t), counts, changes, len(f.journal.moves), slowest.Round(100*time.Millisecond), shortLease)
}

// noteFailover waits until something takes effect again after a fault.
func (f *cluster) noteFailover(began time.Time, slowest *time.Duration) {
	f.t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	settled := began.Add(shortLease / 3) // what was under way when it happened may still take effect
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		if at := f.journal.since(settled); !at.IsZero() {
			*slowest = max(*slowest, at.Sub(began))
			return
		}
	}
	f.t.Fatal("no replica takes over")
}

// TestDatabaseFailover kills the primary of a database with a synchronous standby under load and promotes the standby. The replicas follow, and
// nothing that was answered is missing.
func TestDatabaseFailover(t *testing.T) {
	a, b := newDatabase(t), newDatabase(t)
	a.create()
	a.start()
	b.copyOf(a)
	b.start()
	a.synchronous()
	f := newCluster(t, 3, nil, a, b)
	f.start()
	r := rand.New(rand.NewPCG(f.seed, 0))
	rounds := max(1, faults(t)/20)
	primary, standby := a, b
	for round := range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		var load sync.WaitGroup
		load.Go(func() { f.load(ctx, round) })
		<-time.After(time.Duration(300+r.IntN(700)) * time.Millisecond) // load before the fault, and after it
		primary.kill()
		<-time.After(time.Duration(r.IntN(500)) * time.Millisecond)
		standby.promote()
		f.replicas[0].ready()
		<-time.After(time.Duration(300+r.IntN(700)) * time.Millisecond)
		cancel()
		load.Wait()
		f.compare()
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
		primary.copyOf(standby)
		primary.start()
		standby.synchronous()
		primary, standby = standby, primary
	}
	f.end()
	t.Logf("%d fail-overs of the database, %d took effect", rounds, len(f.journal.moves))
}

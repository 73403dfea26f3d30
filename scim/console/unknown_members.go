package console

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/store"
)

const (
	maxUnknownGroups = 100             // with a label of their own, for each identity provider
	unknownScrape    = 5 * time.Second // a slow store must not hold up the other metrics
	maxCounting      = 100             // counting takes at most one part in so many of the time
)

// unknownMembers counts members of groups that are neither users nor groups. If that takes long,
// the last count is used for a while.
type unknownMembers struct {
	store store.Store
	now   func() time.Time
	many  int // ids above which the last count is used

	counting sync.Mutex // while the store is read

	mu   sync.Mutex
	at   time.Time
	read int
	took time.Duration
	last map[string][]store.UnknownMembers // by identity provider, the groups with the most first
}

// UnknownStatus counts the members of an identity provider's groups that are neither users nor
// groups.
type UnknownStatus struct {
	Members int            `json:"members"`
	Groups  int            `json:"groups"`
	Largest []UnknownGroup `json:"largest"` // the groups with the most, at most 100
}

// UnknownGroup is a group with members that are neither users nor groups.
type UnknownGroup struct {
	ID    string `json:"id"`
	Name  string `json:"display_name"`
	Count int    `json:"count"`
}

// cached returns the last count, and whether it can still be used.
func (u *unknownMembers) cached() (last map[string][]store.UnknownMembers, good bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	age := u.now().Sub(u.at)
	good = u.last != nil && u.read > u.many && age >= 0 && age < max(recountAfter, maxCounting*u.took)
	return u.last, good
}

// count counts, unless the last count can still be used. The caller holds u.counting.
func (u *unknownMembers) count(tx store.Tx) (map[string][]store.UnknownMembers, error) {
	if last, good := u.cached(); good {
		return last, nil
	}
	start := u.now()
	counted, read := map[string][]store.UnknownMembers{}, 0
	for _, idp := range tx.IdPs() {
		d := tx.Directory(idp)
		all, err := d.UnknownMembers()
		if err != nil {
			return nil, err
		}
		slices.SortFunc(all, func(a, b store.UnknownMembers) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Group, b.Group))
		})
		counted[idp] = all
		read += d.UserCount() + d.GroupCount() + members(all)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last, u.at, u.read = counted, u.now(), read
	u.took = u.at.Sub(start)
	return counted, nil
}

func members(all []store.UnknownMembers) int {
	n := 0
	for _, g := range all {
		n += g.Count
	}
	return n
}

// status returns the status of an identity provider, with the names of the largest groups.
func (u *unknownMembers) status(tx store.Tx, idp string) (UnknownStatus, error) {
	u.counting.Lock()
	counted, err := u.count(tx)
	u.counting.Unlock()
	all := counted[idp]
	s := UnknownStatus{Members: members(all), Groups: len(all), Largest: []UnknownGroup{}}
	for _, one := range all[:min(len(all), maxUnknownGroups)] {
		g, missing := tx.Directory(idp).Group(one.Group) // deleted since the count: without a name
		if missing != nil {
			g = store.Group{}
		}
		s.Largest = append(s.Largest, UnknownGroup{one.Group, g.DisplayName, one.Count})
	}
	return s, err
}

var unknownDesc = prometheus.NewDesc("scimbridge_members_without_user",
	"Members of a group that are neither users nor groups; \"other\" sums the groups without a label of their own.", []string{"idp", "group"}, nil)

// Describe implements prometheus.Collector.
func (u *unknownMembers) Describe(ch chan<- *prometheus.Desc) { ch <- unknownDesc }

// scraped returns a count for a scrape: the last one if the store does not answer or is being read
// for a count.
func (u *unknownMembers) scraped() map[string][]store.UnknownMembers {
	if last, good := u.cached(); good || !u.counting.TryLock() {
		return last
	}
	defer u.counting.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), unknownScrape)
	defer cancel()
	var counted map[string][]store.UnknownMembers
	err := u.store.View(ctx, func(tx store.Tx) (err error) {
		counted, err = u.count(tx)
		return err
	})
	if err != nil {
		counted, _ = u.cached()
	}
	return counted
}

// Collect implements prometheus.Collector.
func (u *unknownMembers) Collect(ch chan<- prometheus.Metric) {
	counted := u.scraped()
	gauge := func(n int, idp, group string) {
		ch <- prometheus.MustNewConstMetric(unknownDesc, prometheus.GaugeValue, float64(n), idp, group)
	}
	for idp, all := range counted {
		named := all[:min(len(all), maxUnknownGroups)]
		for _, g := range named {
			gauge(g.Count, idp, g.Group)
		}
		gauge(members(all[len(named):]), idp, "other")
	}
}

package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// journal records at the vendors which account gained or lost which role, in the order of the effects.
type journal struct {
	held   func(person string) []string // from a vendor: "target role"
	people []string

	effect sync.Mutex // one change takes effect after the other
	has    map[string]map[string]bool
	moves  []move

	mu     sync.Mutex
	flying map[string]int
	most   int // calls under way at once on one target
}

// move is a role that an account gained or lost.
type move struct {
	at     time.Time
	person string
	role   string
	gained bool
}

func newJournal(held func(person string) []string, people []string) *journal {
	return &journal{held: held, people: people, has: map[string]map[string]bool{}, flying: map[string]int{}}
}

// before records the changes that reach a vendor.
func (j *journal) before(vendor http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "token") {
			vendor.ServeHTTP(w, r)
			return
		}
		j.count(r.URL.Path, 1)
		defer j.count(r.URL.Path, -1)
		j.effect.Lock()
		defer j.effect.Unlock()
		vendor.ServeHTTP(w, r)
		now := time.Now()
		for _, p := range j.people {
			is := map[string]bool{}
			for _, role := range j.held(p) {
				is[role] = true
				if !j.has[p][role] {
					j.moves = append(j.moves, move{now, p, role, true})
				}
			}
			for role := range j.has[p] {
				if !is[role] {
					j.moves = append(j.moves, move{now, p, role, false})
				}
			}
			j.has[p] = is
		}
	})
}

func (j *journal) count(target string, by int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flying[target] += by
	j.most = max(j.most, j.flying[target])
}

// since returns the time of the first effect after a moment; zero without one.
func (j *journal) since(moment time.Time) time.Time {
	j.effect.Lock()
	defer j.effect.Unlock()
	for _, m := range j.moves {
		if m.at.After(moment) {
			return m.at
		}
	}
	return time.Time{}
}

// wish is a request that puts a user into a group, or removes the user. acked is zero without an answer.
type wish struct {
	sent, acked time.Time
	in          bool
}

// justify checks every reversal at the vendor. After a request was answered and took effect, the opposite
// may take effect only if a client requested it meanwhile. It returns the reversals without a request.
func (j *journal) justify(wishes func(person, role string) []wish) (unasked []string) {
	j.effect.Lock()
	defer j.effect.Unlock()
	last := map[[2]string]move{}
	for _, m := range j.moves {
		key := [2]string{m.person, m.role}
		before, seen := last[key]
		last[key] = m
		if !seen {
			continue
		}
		settled := -1
		all := wishes(m.person, m.role)
		for i, w := range all {
			if !w.acked.IsZero() && w.acked.Before(before.at) {
				settled = i
			}
		}
		if settled < 0 || all[settled].in != before.gained {
			continue
		}
		asked := false
		for _, w := range all[settled+1:] {
			asked = asked || w.in == m.gained && w.sent.Before(m.at)
		}
		if !asked {
			unasked = append(unasked, fmt.Sprintf("%s: %s changed to %t at %s, though %t was answered at %s and took effect at %s, without another request",
				m.person, m.role, m.gained, m.at.Format(time.StampMicro), all[settled].in, all[settled].acked.Format(time.StampMicro), before.at.Format(time.StampMicro)))
		}
	}
	return unasked
}

// A reversal without a wish is found; one with a wish, or after a wish without an answer, is not.
func TestJournalOfRoles(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	moves := []move{{at(3), "ada", "admin", true}, {at(13), "ada", "admin", false}, {at(23), "ada", "admin", true}}
	in, out := wish{at(1), at(2), true}, wish{at(11), at(12), false}
	for name, c := range map[string]struct {
		wishes []wish
		want   int
	}{
		"given again":              {[]wish{in, out}, 1},
		"taken":                    {[]wish{in}, 1},
		"asked for":                {[]wish{in, out, {at(21), at(22), true}}, 0},
		"asked for, not answered":  {[]wish{in, out, {at(21), time.Time{}, true}}, 0},
		"asked for afterwards":     {[]wish{in, out, {at(24), at(25), true}}, 1},
		"the removal not answered": {[]wish{in, {at(11), time.Time{}, false}}, 0},
	} {
		j := &journal{moves: moves}
		if got := j.justify(func(string, string) []wish { return c.wishes }); len(got) != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

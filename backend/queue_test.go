package backend

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// lineUp starts calls one after another while the limit lets none through. It returns the order in which
// they get through, and how long that took.
func lineUp(t *testing.T, limiter *rate.Limiter, calls ...Urgency) (order []Urgency, took time.Duration) {
	q, began := newQueue(limiter), time.Now()
	Spend(limiter)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, u := range calls {
		p := &Place{}
		p.Set(u)
		all.Go(func() {
			if err := q.wait(WithPlace(t.Context(), p), true); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, u)
		})
		time.Sleep(10 * time.Millisecond)
	}
	all.Wait()
	return order, time.Since(began)
}

func TestQueue(t *testing.T) {
	perSecond := func() *rate.Limiter { return rate.NewLimiter(1, 1) }
	t.Run("off-boardings first, then removals", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			got, _ := lineUp(t, perSecond(), Rare, Retry, Ordinary, Removal, Offboarding, Removal, Offboarding)
			want := []Urgency{Offboarding, Offboarding, Removal, Removal, Ordinary, Retry, Rare}
			if !slices.Equal(got, want) {
				t.Errorf("through in the order %v, want %v", got, want)
			}
		})
	})
	t.Run("an old call passes newer ones", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q, began, removal := newQueue(perSecond()), time.Now(), &Place{}
			removal.Set(Removal)
			Spend(q.limiter)
			done := make(chan time.Duration, 1)
			go func() {
				_ = q.wait(t.Context(), true)
				done <- time.Since(began)
			}()
			for range 60 { // twice what the limit lets through
				time.Sleep(500 * time.Millisecond)
				go func() { _ = q.wait(WithPlace(t.Context(), removal), true) }()
			}
			if took := <-done; took < 10*time.Second || took > 25*time.Second {
				t.Errorf("an ordinary call waited %s", took)
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("rare calls get a tenth of the rate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if _, took := lineUp(t, perSecond(), slices.Repeat([]Urgency{Rare}, 10)...); took < 90*time.Second {
				t.Errorf("ten rare calls took %s", took)
			}
		})
	})
	t.Run("urgency changes while a call waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := perSecond()
			q, p := newQueue(l), &Place{}
			Spend(l)
			p.Set(Rare)
			done := make(chan time.Duration)
			began := time.Now()
			go func() {
				_ = q.wait(WithPlace(t.Context(), p), true)
				done <- time.Since(began)
			}()
			for range 20 {
				go func() { _ = q.wait(t.Context(), true) }()
			}
			time.Sleep(100 * time.Millisecond)
			p.Set(Offboarding)
			if took := <-done; took > 3*time.Second {
				t.Errorf("the off-boarding waited %s", took)
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("a call whose context ends makes way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := perSecond()
			q := newQueue(l)
			Spend(l)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _ = q.wait(ctx, true) }()
			synctest.Wait()
			cancel()
			began := time.Now()
			if err := q.wait(t.Context(), true); err != nil || time.Since(began) > time.Second+time.Millisecond {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	})
	t.Run("ready begins no call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(perSecond())
			for range 5 {
				if err := q.wait(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			if err := q.wait(t.Context(), true); err != nil || time.Since(began) > 0 {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	})
}

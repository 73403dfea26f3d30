package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A stop has an end, even if one of its steps has none.
func TestStopInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, release := &Bridge{}, make(chan struct{})
		b.onStop("something that hangs", func(context.Context) error { <-release; return nil })
		begun := time.Now()
		if err := b.StopInTime(); err == nil || time.Since(begun) > grace {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		close(release)
	})
}

package bridge

import (
	"context"
	"time"

	"github.com/scimbridge/scimbridge/store/audit"
)

// startSealer chains the audit trail. It stops after everything that appends to it.
func (b *Bridge) startSealer() {
	s := &audit.Sealer{Store: b.store, Keep: time.Duration(b.Config.Audit.Retention), Now: b.clock(), Log: b.Log}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	b.onStop("audit trail", func(context.Context) error {
		cancel()
		<-done // within a second
		return nil
	})
}

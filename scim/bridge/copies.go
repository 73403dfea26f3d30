package bridge

import (
	"context"
	"io"

	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// Backup writes the store as it is at one moment. It may be called concurrently.
func (b *Bridge) Backup(ctx context.Context, to io.Writer) error {
	s, ok := b.store.(*bolt.Store)
	if !ok {
		return ErrNoFile
	}
	return s.Backup(ctx, to)
}

// brokeOff logs why a copy failed. The caller learns only that it did.
func (b *Bridge) brokeOff(path string, err error) {
	b.Log.Warn("a copy of the store, or of the audit trail, broke off", "path", path, "error", err)
}

// Export writes the store as JSON lines, as it is at one moment.
func (b *Bridge) Export(ctx context.Context, to io.Writer) error {
	return archive.Write(ctx, b.store, to)
}

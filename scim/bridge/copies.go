package bridge

import (
	"context"
	"io"

	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// Backup writes the store as it is at one moment; Export the same as JSON lines. Resume ends what a restore began: what is wanted
// is delivered again; it says whether there was anything to end. All may be called concurrently.
func (b *Bridge) Backup(ctx context.Context, to io.Writer) error {
	s, ok := b.store.(*bolt.Store)
	if !ok {
		return ErrNoFile
	}
	return s.Backup(ctx, to)
}

// brokeOff logs why a copy broke off: whoever asked for it learns no more than that it did.
func (b *Bridge) brokeOff(path string, err error) {
	b.Log.Warn("a copy of the store, or of the audit trail, broke off", "path", path, "error", err)
}

// Export: see Backup.
func (b *Bridge) Export(ctx context.Context, to io.Writer) error {
	return archive.Write(ctx, b.store, to)
}

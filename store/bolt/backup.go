package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/scimbridge/scimbridge/store"
)

// Backup writes the file as it is at one moment. Requests go on meanwhile; the file grows for as long as it takes, since
// nothing of that moment is used again. It may be called concurrently.
func (s *Store) Backup(ctx context.Context, to io.Writer) error {
	return s.View(ctx, func(st store.Tx) error {
		t, ok := st.(*tx)
		if !ok {
			return errors.New("backup: transaction of another store")
		}
		if _, err := t.btx.WriteTo(to); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		return nil
	})
}

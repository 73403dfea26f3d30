package access

import (
	"fmt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Shows reports whether the last comparison of a target tells who has a role: Yes, No, or Dark if
// the target was never compared with the vendor.
func Shows(tx store.Tx, backend, target, role string) (string, error) {
	c, known, err := record.Get(tx, record.Comparison{Backend: backend, Target: target})
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the comparison of a target: %w", err)
	case !known:
		return Dark, nil
	case showsRole(c, role):
		return Yes, nil
	}
	return No, nil
}

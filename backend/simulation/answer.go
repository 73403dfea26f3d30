package simulation

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
)

// Reply answers with JSON.
func Reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// Page returns size items from an offset, and whether more follow.
func Page[T any](items []T, offset, size int) (page []T, more bool) {
	from, to := min(offset, len(items)), min(offset+size, len(items))
	return items[from:to], to < len(items)
}

// AccountID returns an id that is always the same for an address.
func AccountID(prefix, email string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(email))) // a hash never fails
	return fmt.Sprintf("%s%016x", prefix, h.Sum64())
}

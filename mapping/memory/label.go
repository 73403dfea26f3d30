package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Label is an account where a log shows it: what the vendor calls it, or, where that is an address, the beginning of its hash, by which lines
// about one account are found together.
func Label(account string) string {
	if !strings.Contains(account, "@") {
		return account
	}
	sum := sha256.Sum256([]byte(account))
	return "sha256:" + hex.EncodeToString(sum[:6])
}

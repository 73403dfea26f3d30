package memory

import (
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// Memory is what the store remembers of one backend between visits. Its methods read and write in the transaction
// that they are given.
type Memory struct {
	Name   string
	Traits func() backend.Traits
	Clock  func() time.Time
}

package planned

import (
	"encoding/json"
	"fmt"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/config"
)

// maxSaved bounds a saved plan.
const maxSaved = 64 << 20

// Read reads a plan that was saved as JSON.
func Read(file string) ([]desk.Preview, error) {
	data, err := config.ReadAtMost(file, maxSaved)
	if err != nil {
		return nil, fmt.Errorf("reading the saved plan: %w", err)
	}
	out := []desk.Preview{}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("reading the saved plan: %s is not what `scimbridge plan --proposed FILE --out plan.json` writes: %w", file, err)
	}
	return out, nil
}

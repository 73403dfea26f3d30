package config

import (
	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
	"github.com/scimbridge/scimbridge/backend/virustotal"
)

// kinds are those that the program has.
func kinds() map[string]backend.Kind {
	return map[string]backend.Kind{"virustotal": virustotal.Kind(), "riskcloud": riskcloud.Kind()}
}

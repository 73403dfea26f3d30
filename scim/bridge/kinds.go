package bridge

import (
	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
	"github.com/scimbridge/scimbridge/backend/virustotal"
)

// Kinds returns the kinds of vendors, by what the configuration calls them.
func Kinds() map[string]backend.Kind {
	return map[string]backend.Kind{
		"virustotal": virustotal.Kind(),
		"riskcloud":  riskcloud.Kind(),
	}
}

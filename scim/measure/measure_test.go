package measure

import (
	"testing"

	"github.com/scimbridge/scimbridge/scim/config"
)

// What is measured is the server, and not the limits that it has for everybody else.
func TestMeasuredLimits(t *testing.T) {
	m := Scale{Dir: t.TempDir(), Store: config.Store{Driver: config.DriverBolt, Path: "scale.db"}, Clients: 500}
	file, err := m.config("sha256:bf178c068e486db30b287d3b99a875cdeff27f1b74661e096c85aed161f9fa3d")
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Load(file, nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, err)
	}
	if l := c.Server.Limits; l.Requests != "1000000/s" || l.ConnectionsPerAddress < 500 || l.Connections < 500 || c.IdentityProviders[measuredIdP].RateLimit != "1000000/s" {
		t.Errorf("%+v, %+v", l, c.IdentityProviders[measuredIdP])
	}
}

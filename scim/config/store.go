package config

import (
	"time"

	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// The values of store.driver.
const (
	DriverBolt     = "bolt"
	DriverPostgres = "postgres"
)

// postgresKeyFile is the file of the operator's key if the store is not a file.
const postgresKeyFile = "data/scimbridge.operator-key"

// OperatorKeyFile returns the file of the operators' key of this machine.
func (c Store) OperatorKeyFile() string {
	switch {
	case c.KeyFile != "":
		return c.KeyFile
	case c.Driver == DriverPostgres:
		return postgresKeyFile
	}
	return c.Path + ".operator-key"
}

// store checks where the state is kept.
func (v *validation) store(c Store) {
	switch c.Driver {
	case DriverBolt:
		if c.Path == "" {
			v.bad([]string{"store", "path"}, "is missing")
		}
		return
	case DriverPostgres:
	default:
		v.bad([]string{"store", "driver"}, "%q is not one of bolt, postgres", legible.Clip(c.Driver))
		return
	}
	at := []string{"store", "dsn"}
	if c.DSN.IsZero() {
		v.bad(at, "is missing: where PostgreSQL is, as env:DATABASE_URL or file:/path")
		return
	}
	dsn, err := c.DSN.Value()
	var found postgres.Connection
	if err == nil {
		found, err = postgres.Parse(dsn.Reveal())
	}
	if err != nil {
		v.wrong(at, err)
		return
	}
	if c.DSN.Literal() && found.Password {
		v.warn(at, "has a password and is written in the file; prefer env:NAME or file:/path")
	}
	if !found.Verified {
		v.warn(at, "does not verify the server's certificate: add sslmode=verify-full (and sslrootcert=FILE for an authority of your own)")
	}
}

// lease checks how long a lease lasts.
func (v *validation) lease(c Store) {
	if l := time.Duration(c.Lease); l < time.Second || l > 5*time.Minute {
		v.bad([]string{"store", "lease"}, "%s is not from 1s to 5m", l)
	}
}

package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// OpenStore opens the store that the configuration names.
func OpenStore(ctx context.Context, c config.Store) (store.Store, error) {
	if c.Driver == config.DriverPostgres {
		return OpenPostgres(ctx, c)
	}
	return bolt.Open(c.Path, bolt.Options{})
}

// OpenPostgres opens a store whose driver is postgres.
func OpenPostgres(ctx context.Context, c config.Store) (*postgres.Store, error) {
	dsn, err := c.DSN.Value()
	if err != nil {
		return nil, fmt.Errorf("store.dsn: %w", err)
	}
	return postgres.Open(ctx, dsn.Reveal(), postgres.Options{})
}

// ErrNoFile is the error of backup and restore for a store that is not a file.
var ErrNoFile error = noFile{}

type noFile struct{}

func (noFile) Error() string {
	return "the store is a database (store.driver: postgres): save it with pg_dump, or with what saves its server, and put it back with pg_restore; `scimbridge export` and `import` carry it elsewhere"
}

// Is matches errors.ErrUnsupported, which the console shows to an operator.
func (noFile) Is(target error) bool { return target == errors.ErrUnsupported }

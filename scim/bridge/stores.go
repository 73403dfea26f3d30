package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// open opens the store, whichever it is.
func openStore(ctx context.Context, c config.Store) (store.Store, error) {
	if c.Driver == config.DriverPostgres {
		return openPostgres(ctx, c)
	}
	return bolt.Open(c.Path, bolt.Options{})
}

func openPostgres(ctx context.Context, c config.Store) (*postgres.Store, error) {
	dsn, err := c.DSN.Value()
	if err != nil {
		return nil, fmt.Errorf("store.dsn: %w", err)
	}
	return postgres.Open(ctx, dsn.Reveal(), postgres.Options{})
}

// errNoFile is what backup and restore say of a store that is no file.
var errNoFile error = noFile{}

type noFile struct{}

func (noFile) Error() string {
	return "the store is a database (store.driver: postgres): save it with pg_dump, or with what saves its server, and put it back with pg_restore; `scimbridge export` and `import` carry it elsewhere"
}

// Is makes it one of those that the console tells an operator.
func (noFile) Is(target error) bool { return target == errors.ErrUnsupported }

func migrateCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "migrate", Short: "Bring the tables of the PostgreSQL store up to date; `serve` does it too, when it starts", Args: noArgs,
		Example: "  scimbridge migrate --config /etc/scimbridge/config.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := config.LoadEndpoints(*configFile)
			if err != nil {
				return err
			}
			if conf.Store.Driver != config.DriverPostgres {
				return p.say(stdout, migrated{}, "the store is one file (store.driver: %s): there is nothing to migrate\n", conf.Store.Driver)
			}
			dsn, err := conf.Store.DSN.Value()
			if err != nil {
				return fmt.Errorf("store.dsn: %w", err)
			}
			from, to, err := postgres.Migrate(c.Context(), dsn.Reveal())
			if err != nil {
				return err
			}
			if from == to {
				return p.say(stdout, migrated{from, to}, "the tables have version %d already\n", to)
			}
			return p.say(stdout, migrated{from, to}, "the tables have version %d now, after version %d\n", to, from)
		}})
}

// migrated is what migrate prints.
type migrated struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// importInto reads an export into a database, which must be empty and have no replica. Should it break off, what is there is
// marked as a copy before anything else: a server that is started on it nevertheless observes only.
func importInto(ctx context.Context, c config.Store, from io.Reader) (found contents, err error) {
	s, err := openPostgres(ctx, c)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := vacant(ctx, s); err != nil {
		return found, err
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		return tx.SetSetting(restored, []byte(time.Now().UTC().Format(time.RFC3339)))
	})
	if err != nil {
		return found, err
	}
	if err := archive.Read(ctx, from, s); err != nil {
		return found, fmt.Errorf("%w\nthe database holds a part of it now: drop it and make a new one before the next attempt", err)
	}
	if found, err = markRestored(ctx, s); err == nil {
		found.Store = "the database"
	}
	return found, err
}

// vacant says why a store must not be imported into.
func vacant(ctx context.Context, s store.Shared) error {
	replicas, err := s.Replicas(ctx)
	if err != nil {
		return err
	}
	for _, r := range replicas {
		if r.Now.Sub(r.Seen) < time.Minute {
			return fmt.Errorf("a server runs over this database (%s, seen %s ago): stop it first", r.Address, r.Now.Sub(r.Seen).Round(time.Second))
		}
	}
	return s.View(ctx, func(tx store.Tx) error {
		empty := len(tx.IdPs())+len(tx.Backends()) == 0
		for range tx.Settings() {
			empty = false
			break
		}
		for range tx.Events().Since(0) {
			empty = false
			break
		}
		if !empty {
			return errors.New("this database is not empty: make a new one, nothing is overwritten")
		}
		return nil
	})
}

// databaseOf says whether a database can hold the store.
func databaseOf(ctx context.Context, c config.Store) []backend.Finding {
	dsn, err := c.DSN.Value()
	var from, to int
	if err == nil {
		from, to, err = postgres.Versions(ctx, dsn.Reveal())
	}
	switch {
	case errors.As(err, new(config.AbsentError)):
		return []backend.Finding{untried(err)}
	case err != nil:
		return []backend.Finding{bad(err.Error(), "see that the database is there, lets this user in, and is the primary")}
	case from < to:
		return []backend.Finding{{Level: backend.Note, What: fmt.Sprintf("the tables have version %d of %d", from, to), Remedy: "nothing: the server, or `scimbridge migrate`, brings them up to date"}}
	case from > to:
		return []backend.Finding{bad(fmt.Sprintf("the tables have version %d, this scimbridge knows those up to %d", from, to), "run a newer scimbridge")}
	}
	return []backend.Finding{fine("the database answers and its tables have version %d", to)}
}

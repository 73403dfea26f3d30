package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// The values of store.driver.
const (
	driverBolt     = "bolt"
	driverPostgres = "postgres"
)

// postgresKeyFile is where the operator's key is when the store is no file that it could be beside.
const postgresKeyFile = "data/scimbridge.operator-key"

// keyFile is where the key of this machine's operators is.
func (c StoreConfig) keyFile() string {
	switch {
	case c.KeyFile != "":
		return c.KeyFile
	case c.Driver == driverPostgres:
		return postgresKeyFile
	}
	return c.Path + ".operator-key"
}

// open opens the store, whichever it is.
func (c StoreConfig) open(ctx context.Context) (store.Store, error) {
	if c.Driver == driverPostgres {
		return c.openPostgres(ctx)
	}
	return bolt.Open(c.Path, bolt.Options{})
}

func (c StoreConfig) openPostgres(ctx context.Context) (*postgres.Store, error) {
	dsn, err := c.DSN.Value()
	if err != nil {
		return nil, fmt.Errorf("store.dsn: %w", err)
	}
	return postgres.Open(ctx, dsn.Reveal(), postgres.Options{})
}

// store checks what says where the state is kept.
func (v *validation) store(c StoreConfig) {
	switch c.Driver {
	case driverBolt:
		if c.Path == "" {
			v.bad([]string{"store", "path"}, "is missing")
		}
		return
	case driverPostgres:
	default:
		v.bad([]string{"store", "driver"}, "%q is not one of bolt, postgres", clip(c.Driver))
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
	if c.DSN.literal() && found.Password {
		v.warn(at, "has a password and is written in the file; prefer env:NAME or file:/path")
	}
	if !found.Verified {
		v.warn(at, "does not verify the server's certificate: add sslmode=verify-full (and sslrootcert=FILE for an authority of your own)")
	}
}

// errNoFile is what backup and restore say of a store that is no file.
var errNoFile error = noFile{}

type noFile struct{}

func (noFile) Error() string {
	return "the store is a database (store.driver: postgres): save it with pg_dump, or with what saves its server, and put it back with pg_restore; `scimbridge export` and `import` carry it elsewhere"
}

// Is makes it one of those that the console tells an operator.
func (noFile) Is(target error) bool { return target == errors.ErrUnsupported }

func migrateCommand(config *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "migrate", Short: "Bring the tables of the PostgreSQL store up to date; `serve` does it too, when it starts", Args: noArgs,
		Example: "  scimbridge migrate --config /etc/scimbridge/config.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := whereabouts(*config)
			if err != nil {
				return err
			}
			if conf.Store.Driver != driverPostgres {
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
func importInto(ctx context.Context, c StoreConfig, from io.Reader) (found contents, err error) {
	s, err := c.openPostgres(ctx)
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
		for range store.List(tx, store.Credential{}) {
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
func databaseOf(ctx context.Context, c StoreConfig) []backend.Finding {
	dsn, err := c.DSN.Value()
	var from, to int
	if err == nil {
		from, to, err = postgres.Versions(ctx, dsn.Reveal())
	}
	switch {
	case errors.As(err, new(absentError)):
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

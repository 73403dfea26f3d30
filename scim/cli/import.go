package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/record"
)

func importCommand(configFile *string, stdin io.Reader, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "import FILE", Short: "Make a store from an export (- reads standard input); the server then observes only until `scimbridge resume`",
		Args: oneArg("the export to read, or - for standard input"), Example: "  scimbridge import everything.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			from := stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("reading the export: %w", err)
				}
				defer func() { _ = f.Close() }() // only read
				from = f
			}
			conf, err := config.LoadEndpoints(*configFile)
			if err != nil {
				return err
			}
			if conf.Store.Driver == config.DriverPostgres {
				found, err := importInto(c.Context(), conf.Store, from)
				if err != nil {
					return fmt.Errorf("%s cannot be restored: %w", args[0], err)
				}
				return sayRestored(stdout, &p, found)
			}
			return putBack(*configFile, args[0], stdout, &p, func(tmp string) error {
				s, err := bolt.Open(tmp, bolt.Options{})
				if err != nil {
					return err
				}
				return errors.Join(archive.Read(c.Context(), from, s), s.Close())
			})
		}})
}

// importInto reads an export into an empty database without replicas. The database is marked as a
// restored copy first, so that a server on a partial import observes only.
func importInto(ctx context.Context, c config.Store, from io.Reader) (found bridge.Contents, err error) {
	s, err := bridge.OpenPostgres(ctx, c)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := vacant(ctx, s); err != nil {
		return found, err
	}
	if err := bridge.ObserveOnly(ctx, s); err != nil {
		return found, err
	}
	if err := archive.Read(ctx, from, s); err != nil {
		return found, fmt.Errorf("%w\nthe database holds a part of it now: drop it and make a new one before the next attempt", err)
	}
	if found, err = bridge.MarkRestored(ctx, s); err == nil {
		found.Store = "the database"
	}
	return found, err
}

// vacant returns why a store must not be imported into.
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
		occupied := errors.New("this database is not empty: make a new one, nothing is overwritten")
		if len(tx.IdPs())+len(tx.Backends()) > 0 {
			return occupied
		}
		for range tx.Settings() {
			return occupied
		}
		for _, err := range tx.Events().Since(0) {
			return cmp.Or(err, occupied)
		}
		for _, err := range record.List(tx, record.Credential{}) {
			return cmp.Or(err, occupied)
		}
		return nil
	})
}

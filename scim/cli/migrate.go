package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store/postgres"
)

func migrateCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "migrate", Short: "Upgrade the tables of the PostgreSQL store; `serve` does it, too", Args: noArgs,
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

package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store/bolt"
)

func backupCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var p printed
	var why func(string) string
	c := p.flag(&cobra.Command{Use: "backup FILE", Short: "Copy the store of the running server into a file, as it is at one moment", Args: oneArg("the file to write"),
		Example: "  scimbridge backup /backup/scimbridge-$(date +%F).db",
		RunE: func(c *cobra.Command, args []string) error {
			if !server.IsRemote() {
				conf, err := config.LoadEndpoints(*server.Config)
				if err != nil {
					return err
				}
				if conf.Store.Driver == config.DriverPostgres {
					return bridge.ErrNoFile
				}
			}
			size, err := fetchInto(c.Context(), server, why("/api/backup"), args[0], verify)
			if err != nil {
				return err
			}
			return p.say(stdout, copied{args[0], size}, "%s: %d bytes, read back and complete. `scimbridge restore` puts it back. The keys that sign our own tokens are left out; a restore makes new ones.\n", args[0], size)
		}})
	why = reasonFor(c)
	return c
}

// verify reads everything in a copied store.
func verify(file string) error {
	s, err := bolt.Open(file, bolt.Options{})
	if err == nil {
		err = errors.Join(s.Check(), s.Close())
	}
	if err != nil {
		return fmt.Errorf("the copy is damaged and was removed; try again: %w", err)
	}
	return nil
}

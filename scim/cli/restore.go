package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

func restoreCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{Use: "restore FILE", Short: "Restore the store from a backup; the server then observes only until `scimbridge resume`", Args: oneArg("the backup to restore"),
		Example: "  scimbridge restore /backup/scimbridge-2026-11-24.db",
		RunE: func(_ *cobra.Command, args []string) error {
			conf, err := config.LoadEndpoints(*configFile)
			if err != nil {
				return err
			}
			if conf.Store.Driver == config.DriverPostgres {
				return bridge.ErrNoFile
			}
			return putBack(*configFile, args[0], stdout, &p, func(tmp string) error {
				from, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("reading the backup: %w", err)
				}
				defer func() { _ = from.Close() }() // only read
				to, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return fmt.Errorf("writing the store: %w", err)
				}
				if _, err := io.Copy(to, from); err != nil {
					return errors.Join(fmt.Errorf("reading the backup: %w", err), to.Close())
				}
				return to.Close()
			})
		}})
}

// putBack makes the configured store, which must not exist, from a copy, and marks it as restored.
func putBack(configFile, source string, stdout io.Writer, p *printed, fill func(tmp string) error) (err error) {
	c, err := config.LoadEndpoints(configFile)
	if err != nil {
		return err
	}
	path := c.Store.Path
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("there is a store at %s: stop the server and move it away first, nothing is overwritten", path)
	}
	if source != "-" {
		if _, err := os.Stat(source); err != nil {
			return fmt.Errorf("%s cannot be restored: reading the backup: %w", source, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tmp := filepath.Join(dir, "store.db")
	if err := fill(tmp); err != nil {
		return fmt.Errorf("%s cannot be restored: %w", source, err)
	}
	found, err := markFile(tmp)
	if err != nil {
		return fmt.Errorf("%s cannot be restored: %w", source, err)
	}
	if err := os.Link(tmp, path); err != nil {
		return fmt.Errorf("making the store: %w", err)
	}
	found.Store = path
	return sayRestored(stdout, p, found)
}

// sayRestored prints what a restored store holds and what the operator does next.
func sayRestored(stdout io.Writer, p *printed, c bridge.Contents) error {
	trail := ""
	if c.Broken != "" {
		trail = "Its audit trail was changed before it came here: " + c.Broken + ".\n"
	}
	return p.say(stdout, c, `%s is the store now: %d users, %d groups, %d grants.
%sIt may be old, and would grant again what was revoked since. So the server observes only, until you say otherwise:
  1. start it, and let the identity providers send what changed since (Okta: Provisioning, Force Sync; Entra: Restart provisioning)
  2. scimbridge plan      shows what it would then do
  3. scimbridge resume    lets it
`, c.Store, c.Users, c.Groups, c.Grants, trail)
}

// markFile reads all of a file and marks it as a restored store.
func markFile(file string) (found bridge.Contents, err error) {
	s, err := bolt.Open(file, bolt.Options{})
	if errors.Is(err, store.ErrDamaged) {
		return found, errors.New("it is damaged, or no backup: `scimbridge backup` writes them, and `scimbridge import` reads what `scimbridge export` wrote")
	}
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Check(); err != nil {
		return found, err
	}
	return bridge.MarkRestored(context.Background(), s)
}

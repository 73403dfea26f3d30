package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/logs"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

func serveCommand(configFile *string, stderr io.Writer, now func() time.Time) *cobra.Command {
	var level string
	c := &cobra.Command{
		Use: "serve", Example: "  scimbridge serve --config /etc/scimbridge/config.yaml", Short: "Run the server until interrupted", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // the reader of the log may go away; the server stays
			log, lines, err := logs.New(stderr, level)
			if err != nil {
				return usageError{err}
			}
			defer lines.Close()
			conf, warnings, err := config.Load(*configFile, bridge.Kinds())
			if err != nil {
				return err
			}
			for _, w := range warnings {
				log.Warn("configuration: " + w)
			}
			return serve(c.Context(), &bridge.Bridge{Config: conf, Log: log, LogDropped: lines.Dropped, Version: version(), Path: *configFile, Now: now})
		},
	}
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

func serve(ctx context.Context, b *bridge.Bridge) error {
	if err := b.Start(ctx); err != nil {
		return err
	}
	b.Log.Info("serving", "scim", b.URL(), "console", b.ConsoleURL(), "version", b.Version)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	go func() {
		for range hangups {
			if _, err := b.Reload(ctx, console.ReloadRequest{By: console.Decision{Operator: auth.Operator{Name: auth.Local, Role: auth.Admin, By: auth.BySignal}}}); err != nil {
				b.Log.Error("the configuration was to be read again", "error", err)
			}
		}
	}()
	err := b.Wait(ctx)
	b.Log.Info("stopping")
	return errors.Join(err, b.StopInTime())
}

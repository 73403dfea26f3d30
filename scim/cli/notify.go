package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/notify"
)

func notifyCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "notify", Short: "Test the channels by which operators are notified", Args: noArgs, Example: "  scimbridge notify test",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	test := &cobra.Command{Use: "test", Short: "Send a test message to every channel of the configuration", Args: noArgs, Example: "  scimbridge notify test --config config.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, _, err := config.Load(*configFile, bridge.Kinds())
			if err != nil {
				return err
			}
			channels, err := conf.Channels()
			if err != nil {
				return err
			}
			if len(channels) == 0 {
				return errors.New("the configuration names no channel: see `notify` in docs/operations/notify.md")
			}
			all, failed := sendTests(c.Context(), channels)
			if err := printTests(stdout, all, asJSON); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d channel(s) failed", failed, len(all))
			}
			return nil
		}}
	test.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(test)
	return c
}

// testedChannel is what `notify test --json` prints of a channel.
type testedChannel struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Sent  bool   `json:"sent"`
	Error string `json:"error,omitempty"`
}

// sendTests sends a message to each channel and counts those that failed.
func sendTests(ctx context.Context, channels []notify.Channel) (all []testedChannel, failed int) {
	for _, c := range channels {
		sender, err := notify.NewSender(c, time.Now)
		if err == nil {
			err = sender.Send(ctx, notify.TestMessage("msg_"+rand.Text()+"_test", time.Now()))
		}
		one := testedChannel{Name: c.Name, Kind: c.Kind, Sent: err == nil}
		if err != nil {
			failed++
			one.Error = err.Error()
		}
		all = append(all, one)
	}
	return all, failed
}

func printTests(w io.Writer, all []testedChannel, asJSON bool) error {
	if asJSON {
		return printJSON(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CHANNEL\tKIND\tRESULT")
	for _, c := range all {
		result := "sent"
		if !c.Sent {
			result = "failed: " + c.Error
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Name, c.Kind, result)
	}
	return t.Flush()
}

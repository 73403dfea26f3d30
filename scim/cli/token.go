package cli

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/auth"
)

func tokenCommand(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Tokens for identity providers", Args: noArgs,
		Example: "  scimbridge token new",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	var p printed
	c.AddCommand(p.flag(&cobra.Command{
		Use: "new", Example: "  scimbridge token new", Short: "Make a random token and print it with its sha256: form", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			token, hash, err := auth.NewToken(rand.Reader)
			if err != nil {
				return fmt.Errorf("making a token: %w", err)
			}
			return p.say(stdout, map[string]string{"token": token, "hash": hash},
				"token (give it to the identity provider; it is not shown again):\n  %s\nhash (for `tokens` in the configuration):\n  %s\n", token, hash)
		},
	}))
	return c
}

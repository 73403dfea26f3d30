package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func tokenCommand(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Tokens for identity providers, and keys for operators", Args: noArgs,
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
	}), operatorKeyCommand(stdout))
	return c
}

// operatorKeyCommand makes keys of operators.
func operatorKeyCommand(stdout io.Writer) *cobra.Command {
	var p printed
	var role, expires string
	c := p.flag(&cobra.Command{
		Use: "operator NAME", Short: "Make a key for an operator and print it with its line of the configuration", Args: oneArg("the name of an operator"),
		Example: "  scimbridge token operator ci --role viewer --expires 2027-06-30",
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if _, known := auth.ParseRole(role); !known {
				return usageError{fmt.Errorf("--role %q is not one of %s", legible.Clip(role), strings.Join(auth.Roles(), ", "))}
			}
			if strings.ContainsFunc(name, notOfNames) || name == "" || name == auth.Local {
				return usageError{errors.New("a name is letters, digits, dots, dashes and underscores, and not local")}
			}
			line := "{name: " + name + ", role: " + role + ", key: \"%s\""
			if expires != "" {
				if _, err := time.Parse(time.DateOnly, expires); err != nil {
					return usageError{fmt.Errorf("--expires %q is not a date such as 2027-01-31", legible.Clip(expires))}
				}
				line += ", expires: " + expires
			}
			key, hash, err := auth.NewToken(rand.Reader)
			if err != nil {
				return fmt.Errorf("making a key: %w", err)
			}
			line = "- " + fmt.Sprintf(line, hash) + "}"
			return p.say(stdout, map[string]string{"key": key, "hash": hash, "line": line},
				"key (give it to the operator; it is not shown again):\n  %s\nline (for `operators.keys` in the configuration; then `scimbridge reload`):\n  %s\n", key, line)
		},
	})
	c.Flags().StringVar(&role, "role", "viewer", "viewer, approver or admin")
	c.Flags().StringVar(&expires, "expires", "", "the day from which the key is refused: 2027-06-30")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(slices.Clone(auth.Roles()), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

// notOfNames reports what a name in the configuration cannot hold.
func notOfNames(r rune) bool {
	return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", r)
}

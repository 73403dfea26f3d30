package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/cli/planned"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func reloadCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var asked console.ReloadRequest
	var saved string
	var why func(string) string
	c := &cobra.Command{Use: "reload", Example: "  scimbridge plan --proposed config.yaml && scimbridge reload", Short: "Apply mappings, modes, brakes and operators of the configuration file", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if asked.File, err = server.File(); err == nil && saved != "" {
				asked.Plan, err = planned.Read(saved)
			}
			if err != nil {
				return fmt.Errorf("the rules in force stay: %w", err)
			}
			o, err := remote.New(server)
			if err != nil {
				return fmt.Errorf("the rules in force stay: %w", err)
			}
			o.Patient() // as for a plan
			body, err := json.Marshal(asked)
			if err != nil {
				return err
			}
			var done console.Reloaded
			if err := o.Send(c.Context(), http.MethodPost, why("/api/reload"), body, &done); err != nil {
				return err // the server says whether the rules in force stay
			}
			if asJSON {
				return printJSON(stdout, done)
			}
			fmt.Fprintf(stdout, "The rules of the file are in force: %s, SHA-256 %s.\n%s\n", legible.Text(done.File), done.SHA256, byRules(done))
			return planned.Text(stdout, done.Plan, held(done.Plan)+planned.Uncertain)
		}}
	why = reasonFor(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().IntVar(&asked.AllowRevocations, "allow-revocations", 0, "let go what only the changed mapping takes away, if it is at most this many roles")
	c.Flags().StringVar(&saved, "plan", "", "let go what only the changed mapping takes away, if it is this saved plan: plan --proposed FILE --out plan.json")
	c.MarkFlagsMutuallyExclusive("allow-revocations", "plan")
	return c
}

// byRules says what becomes of what only the changed mapping takes away; "" if that is nothing.
func byRules(done console.Reloaded) string {
	switch {
	case done.Revocations == 0:
		return ""
	case done.Allowed:
		return fmt.Sprintf("Only the changed mapping takes away %d role(s), as you allowed.\n", done.Revocations)
	}
	if done.Approvals > 1 {
		return fmt.Sprintf("Only the changed mapping takes away %d role(s): they are held. Two operators must approve that, and you are\nneither of them: see `scimbridge hold list`. Or put the rules back.\n", done.Revocations)
	}
	return fmt.Sprintf("Only the changed mapping takes away %d role(s): they are held. Decide with `scimbridge hold list`,\nlet all of them go with `scimbridge reload --allow-revocations %d`, or put the rules back.\n", done.Revocations, done.Revocations)
}

// held says what happens to the held part of a plan once it is in force.
func held(plan []desk.Preview) string {
	for _, p := range plan {
		if len(p.Held) > 0 {
			return "What is held waits for a decision: scimbridge hold list. The rest is being delivered. "
		}
	}
	return "This is being delivered. "
}

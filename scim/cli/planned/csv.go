package planned

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// CSV writes a line for each role of each user in a plan.
func CSV(w io.Writer, plan []desk.Preview) error {
	plan, err := legible.Value(plan)
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"backend", "mode", "target", "person", "account", "role", "action", "state", "reason", "why", "until"}) // Flush keeps the error
	for _, p := range plan {
		for _, g := range p.Users {
			until := ""
			if !g.Until.IsZero() {
				until = g.Until.UTC().Format(time.RFC3339)
			}
			row := []string{p.Backend, string(p.Mode), g.Target, g.Person, g.Account, g.Role, string(g.Action), string(g.State), g.Reason, strings.Join(g.Why, "; "), until}
			for i, cell := range row {
				row[i] = legible.Cell(cell)
			}
			_ = out.Write(row)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

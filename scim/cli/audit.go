package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/cli/rows"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/audit"
	"github.com/scimbridge/scimbridge/store/bolt"
)

func auditCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Show who got which role when, and check that the record is complete", Args: noArgs,
		Example: "  scimbridge audit export --person ada@example.com\n  scimbridge audit verify",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(auditVerifyCommand(server, stdout), auditExportCommand(server, stdout))
	return c
}

const storeUsage = "read the store of a stopped server, or a backup, instead of asking the server"

// withStore opens a store that no server has open.
func withStore(file string, do func(store.Store) error) error {
	if _, err := os.Stat(file); err != nil { // bolt would make it
		return fmt.Errorf("reading the store: %w", err)
	}
	s, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

func auditVerifyCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var head, file string
	var p printed
	c := p.flag(&cobra.Command{Use: "verify [FILE]", Short: "Check that no event of the audit trail was changed, removed, added or moved", Args: atMostOne,
		Long:    "Check that no event of the audit trail was changed, removed, added or moved.\n\nWith a FILE the lines of an export are checked by themselves (- is standard input): that no\nevent in it was changed, and, where lines follow each other in the chain, that none is missing.",
		Example: "  scimbridge audit verify --head 9c0f…   # a head that was recorded earlier\n  scimbridge audit verify --store /backup/scimbridge.db\n  scimbridge audit verify export.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && file != "" {
				return usageError{errors.New("a FILE and --store exclude each other")}
			}
			if len(args) == 1 {
				return verifyFile(c.InOrStdin(), args[0], head, p, stdout)
			}
			report, err := verifyTrail(c.Context(), server, file, head)
			if err != nil {
				return err
			}
			if err := p.say(stdout, report, "%s", reportWords(report)); err != nil {
				return err
			}
			if report.Broken != "" {
				return fmt.Errorf("the audit trail is broken: %s", report.Broken)
			}
			return nil
		}})
	c.Flags().StringVar(&head, "head", "", "a head that was recorded earlier and must be in the chain")
	c.Flags().StringVar(&file, "store", "", storeUsage)
	return c
}

// verifyFile checks an export; "-" is standard input.
func verifyFile(stdin io.Reader, name, head string, p printed, stdout io.Writer) error {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("reading the export: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		from = f
	}
	report, err := audit.VerifyFile(from, head)
	if err != nil {
		return err
	}
	words := fmt.Sprintf("%d events", report.Events)
	if report.Events > 0 {
		words += fmt.Sprintf(", from %s to %s, are as they were sealed", report.From.Format(time.RFC3339), report.To.Format(time.RFC3339))
	}
	if report.Forgotten > 0 {
		words += fmt.Sprintf("; %d before them are not in the file", report.Forgotten)
	}
	if report.Waiting > 0 {
		words += fmt.Sprintf("; %d more have no place in the chain, so nothing is known of them", report.Waiting)
	}
	if report.Partial {
		words += "\nthe export is a selection: whether events between its lines are missing is not known"
	}
	if report.Known > 0 {
		words += fmt.Sprintf("\nthe recorded head is that of place %d", report.Known)
	}
	if err := p.say(stdout, report, "%s\n", words); err != nil {
		return err
	}
	if report.Broken != "" {
		return fmt.Errorf("the export is not what was written: %s", report.Broken)
	}
	return nil
}

func verifyTrail(ctx context.Context, server *remote.Server, file, head string) (report audit.Report, err error) {
	if file != "" {
		err = withStore(file, func(s store.Store) error {
			report, err = audit.Verify(ctx, s, head)
			return err
		})
		return report, err
	}
	o, err := remote.New(server)
	if err != nil {
		return report, err
	}
	o.Patient() // a long trail takes a while
	err = o.Call(ctx, http.MethodGet, "/api/audit/verify?"+url.Values{"head": {head}}.Encode(), &report)
	return report, err
}

func reportWords(r audit.Report) string {
	words := fmt.Sprintf("%d events", r.Events)
	if r.Events > 0 {
		words += fmt.Sprintf(", from %s to %s", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	}
	if r.Forgotten > 0 {
		words += fmt.Sprintf("; %d before them are no longer kept", r.Forgotten)
	}
	if r.Waiting > 0 {
		words += fmt.Sprintf("; %d more have no place in the chain yet", r.Waiting)
	}
	words += "\n"
	if r.Broken != "" {
		return words + fmt.Sprintf("intact up to place %d\n", r.Place)
	}
	if r.Known > 0 {
		words += fmt.Sprintf("the recorded head is that of place %d\n", r.Known)
	}
	return words + fmt.Sprintf("head of place %d (note it where users of the store cannot change it):\n  %s\n", r.Place, r.Head)
}

func auditExportCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var f audit.Filter
	var since, until, from string
	var p printed
	var asCSV bool
	c := p.flag(&cobra.Command{Use: "export [FILE]", Short: "Write the audit trail as JSON lines, or as CSV", Args: atMostOne,
		Example: "  scimbridge audit export --person ada@example.com --since 2026-11-01\n  scimbridge audit export --role USER_ROLE_GROUP_ADMIN --since 720h | jq -r '[.event.at, .event.type, .event.name] | @tsv'\n  scimbridge audit export --request 6f1c0f0e-5d2b-4f0e-9a3f-2c9d8f1b7a60",
		RunE: func(c *cobra.Command, args []string) (err error) {
			now := time.Now()
			if f.Since, err = momentOf(since, now); err != nil {
				return usageError{fmt.Errorf("--since %q %w", legible.Clip(since), err)}
			}
			if f.Until, err = momentOf(until, now); err != nil {
				return usageError{fmt.Errorf("--until %q %w", legible.Clip(until), err)}
			}
			write := func(to io.Writer) error {
				if asCSV {
					return asEvents(rows.Format{CSV: true}, to, func(to io.Writer) error { return exportTrail(c.Context(), server, f, from, to) })
				}
				return exportTrail(c.Context(), server, f, from, to)
			}
			if len(args) == 0 {
				return write(stdout)
			}
			var size int64
			err = bridge.CreateFile(args[0], func(tmp *os.File) error {
				if err := write(tmp); err != nil {
					return err
				}
				size, err = tmp.Seek(0, io.SeekCurrent)
				return err
			})
			if err != nil {
				return err
			}
			return p.say(stdout, copied{args[0], size}, "%s: %d bytes\n", args[0], size)
		}})
	c.Flags().StringVar(&since, "since", "", "from this moment: 2026-11-26, 2026-11-26T12:00:00Z, or 24h ago")
	c.Flags().StringVar(&until, "until", "", "before this moment")
	c.Flags().StringVar(&f.Person, "person", "", "about this user: a userName, an e-mail address, an externalId, an id or an account")
	c.Flags().StringVar(&f.Role, "role", "", "about this role, or the role of this target")
	c.Flags().StringVar(&f.Backend, "backend", "", "about this backend")
	c.Flags().StringVar(&f.Request, "request", "", "what this request changed, and the grants, revocations and holds that followed")
	c.Flags().StringVar(&f.Type, "type", "", "of this type, such as grant, or hold for all decisions about holds")
	c.Flags().StringVar(&from, "store", "", storeUsage)
	c.Flags().BoolVar(&asCSV, "csv", false, "write CSV, safe to open in a spreadsheet; it cannot be verified")
	return c
}

func exportTrail(ctx context.Context, server *remote.Server, f audit.Filter, from string, to io.Writer) error {
	if from != "" {
		return withStore(from, func(s store.Store) error { return audit.Export(ctx, s, f, to) })
	}
	return fetch(ctx, server, "/api/audit?"+console.AuditQuery(f).Encode(), to)
}

// momentOf reads a date, a time, or how long ago; "" is the zero time.
func momentOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("is no moment such as 2026-11-26, 2026-11-26T12:00:00Z or 24h")
}

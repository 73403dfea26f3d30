package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/planned"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
)

// planLive prints a comparison with the vendors. One that is incomplete is printed, too, and fails.
func planLive(ctx context.Context, o *remote.Client, stdout io.Writer, form planForm, exitCode bool) error {
	all, err := o.Live(ctx)
	if err != nil {
		return err
	}
	if err := form.printLive(stdout, all); err != nil {
		return err
	}
	if targets := planned.Unread(all); targets != "" {
		return fmt.Errorf("the report is incomplete: these targets were not read to their end: %s; see `scimbridge doctor`", targets)
	}
	for _, r := range all {
		if exitCode && r.Something() {
			return codeError{exitNeeded, errors.New("there is something to do")}
		}
	}
	return nil
}

// printLive prints a comparison, or writes it to a file and prints its totals.
func (f planForm) printLive(stdout io.Writer, all []live.Report) error {
	f.byName()
	write := func(w io.Writer) error {
		switch {
		case f.csv:
			return planned.LiveCSV(w, all)
		case f.json:
			return printJSON(w, all)
		}
		return planned.LiveText(w, all)
	}
	if f.out == "" {
		return write(stdout)
	}
	if err := bridge.CreateFile(f.out, func(tmp *os.File) error { return write(tmp) }); err != nil {
		return err
	}
	rows := 0
	for _, r := range all {
		rows += len(r.Rows)
		planned.LiveSummary(stdout, r)
	}
	_, err := fmt.Fprintf(stdout, "%s: %d line(s). The vendors were read; nothing was changed.\n", f.out, rows)
	return err
}

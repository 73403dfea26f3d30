package rows

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// Read prints the answer of the server to a GET while it arrives, and then its notes, and returns its end. An answer that
// broke off is an error.
func Read(ctx context.Context, server *remote.Server, path string, to Printer, notes io.Writer) (end console.LastLine, err error) {
	o, err := remote.New(server)
	if err != nil {
		return end, err
	}
	o.Patient() // a large directory takes a while
	body, err := o.Open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return end, err
	}
	defer func() { _ = body.Close() }() // read to its end, or of no use
	lines := bufio.NewReaderSize(body, 1<<16)
	var said []string
	for {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			return end, fmt.Errorf("reading the server's answer, which broke off: %w", err)
		}
		if !bytes.HasPrefix(raw, []byte(`{"note":`)) && !bytes.HasPrefix(raw, []byte(`{"end":`)) {
			if err := to.Row(raw); err != nil {
				return end, err
			}
			continue
		}
		var line console.LastLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return end, fmt.Errorf("reading the server's answer: %w", err)
		}
		if line.End == nil {
			said = append(said, line.Note)
			continue
		}
		if err := to.End(*line.End); err != nil {
			return end, err
		}
		for _, n := range said {
			if _, err := fmt.Fprintln(notes, "note: "+legible.Text(n)); err != nil {
				return end, err
			}
		}
		return line, nil
	}
}

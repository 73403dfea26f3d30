package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Fetch copies an answer of the server, which may be large.
func (o *Client) Fetch(ctx context.Context, path string, to io.Writer) error {
	body, err := o.Patient().Open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read to its end, or of no use
	kept := &keeper{to: to}
	if _, err := io.Copy(kept, body); kept.err != nil {
		return fmt.Errorf("writing what the server answers: %w", kept.err)
	} else if err != nil {
		return fmt.Errorf("reading the server's answer, which broke off: %w", err)
	}
	return nil
}

// keeper separates a failure to write from a failure to read.
type keeper struct {
	to  io.Writer
	err error
}

func (k *keeper) Write(p []byte) (n int, err error) {
	n, k.err = k.to.Write(p)
	return n, k.err
}

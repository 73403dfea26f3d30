package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/scimbridge/scimbridge/scim/bridge"
)

// fetch copies an answer of the running server.
func fetch(ctx context.Context, configFile, path string, to io.Writer) error {
	o, err := newOperatorClient(configFile)
	if err != nil {
		return err
	}
	o.client.Timeout = 0 // a large store takes a while
	body, err := o.open(ctx, http.MethodGet, path, nil)
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

// fetchInto is fetch into a new file that appears once it is complete and good.
func fetchInto(ctx context.Context, configFile, path, file string, good func(file string) error) (size int64, err error) {
	err = bridge.CreateFile(file, func(tmp *os.File) error {
		if err := fetch(ctx, configFile, path, tmp); err != nil {
			return err
		}
		if size, err = tmp.Seek(0, io.SeekCurrent); err != nil {
			return err
		}
		return good(tmp.Name())
	})
	return size, err
}

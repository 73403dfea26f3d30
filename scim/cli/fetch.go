package cli

import (
	"context"
	"io"
	"os"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
)

// fetch copies an answer of the running server.
func fetch(ctx context.Context, server *remote.Server, path string, to io.Writer) error {
	o, err := remote.New(server)
	if err != nil {
		return err
	}
	return o.Fetch(ctx, path, to)
}

// fetchInto is fetch into a new file that appears once it is complete and good.
func fetchInto(ctx context.Context, server *remote.Server, path, file string, good func(file string) error) (size int64, err error) {
	err = bridge.CreateFile(file, func(tmp *os.File) error {
		if err := fetch(ctx, server, path, tmp); err != nil {
			return err
		}
		if size, err = tmp.Seek(0, io.SeekCurrent); err != nil {
			return err
		}
		return good(tmp.Name())
	})
	return size, err
}

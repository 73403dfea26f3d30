package bridge

import (
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// fileState compares the configuration file on disk with what runs. The zero value knows of no file.
type fileState struct {
	path  string
	kinds map[string]backend.Kind

	mu     sync.Mutex
	loaded [sha256.Size]byte // the contents that are in force
	seen   [sha256.Size]byte // the contents that said is about
	said   console.FileState
}

// took notes the contents that are in force now.
func (f *fileState) took(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded = sha256.Sum256(data)
}

// now reads the file, and examines it if it was not seen before. It may be called from any goroutine.
func (f *fileState) now() console.FileState {
	if f.path == "" {
		return console.FileState{}
	}
	data, err := config.ReadFile(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := sha256.Sum256(data)
	switch {
	case err != nil:
		return console.FileState{Differs: true, Invalid: true, Words: err.Error()}
	case sum == f.loaded:
		return console.FileState{}
	case sum == f.seen:
		return f.said
	}
	f.seen, f.said = sum, console.FileState{Differs: true, Words: "the file differs from what runs: `scimbridge reload` applies its mappings, modes, brakes and operators, all else needs a restart"}
	if _, _, err := config.Parse(f.path, data, f.kinds); err != nil {
		f.said.Invalid, f.said.Words = true, "the file is invalid, and the server goes on with what it loaded: see `scimbridge check`"
		var wrong *config.Error
		if !errors.As(err, &wrong) {
			f.said.Words += ": " + err.Error()
		}
	}
	return f.said
}

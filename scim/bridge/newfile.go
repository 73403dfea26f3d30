package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CreateFile fills a new file that only its owner may read. The file appears once it is complete and
// never replaces another: that is an fs.ErrExist.
func CreateFile(file string, fill func(tmp *os.File) error) (err error) {
	if _, err := os.Lstat(file); err == nil {
		return occupied(file)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-*")
	if err != nil {
		return fmt.Errorf("making %s: %w", file, err)
	}
	defer func() {
		if rm := os.Remove(tmp.Name()); err == nil && !errors.Is(rm, fs.ErrNotExist) {
			err = rm
		}
	}()
	if err := errors.Join(fill(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), file); err != nil { // fails if it exists by now
		return fmt.Errorf("making %s: %w", file, err)
	}
	return nil
}

// occupied is the name of a file that exists.
type occupied string

func (o occupied) Error() string {
	return string(o) + " is there already, and nothing is overwritten; give another name"
}

// Is matches fs.ErrExist.
func (o occupied) Is(target error) bool { return target == fs.ErrExist }

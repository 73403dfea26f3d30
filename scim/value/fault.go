package value

import (
	"fmt"
	"strings"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// Fault is the wrong part of a value and the reason. Its text names attributes, types and the
// expected form. It holds no value of the client; keys of objects are clipped.
type Fault struct {
	Path string // below the attribute: "[0].value"; "" for the whole value
	What string // "expected a string, got an object"
}

func (f *Fault) Error() string { return f.Path + ": " + f.What }

// At puts the name of an attribute or an index in front of the path.
func (f *Fault) At(path string) *Fault {
	if f.Path != "" && f.Path[0] != '[' && path != "" {
		path += "."
	}
	f.Path = path + f.Path
	return f
}

func fault(format string, args ...any) *Fault { return &Fault{What: fmt.Sprintf(format, args...)} }

// Expected returns the fault of a value of a wrong type.
func Expected(what string, got JSON) *Fault { return fault("expected %s, got %s", what, got.Kind()) }

// Unknown returns the fault of an object without a known key; known lists the known ones.
func Unknown(key string, known ...string) *Fault {
	f := fault("no such attribute; expected %s", strings.Join(known, ", "))
	f.Path = filter.Clip(key)
	return f
}

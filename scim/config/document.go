package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
)

// maxProblems bounds the reported problems of a file: more mostly follow from the first ones.
const maxProblems = 100

// decode reads a file over the defaults. Mistakes in values are problems of the validation. A file that
// is not a document of keys is an *Error.
func decode(file string, data []byte, kinds map[string]backend.Kind) (*Config, *validation, error) {
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&root); err != nil {
		return nil, nil, &Error{file, []string{unreadable(err, data)}}
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, nil, &Error{file, []string{fmt.Sprintf("line %d: another document begins: a file holds one", max(1, more.Line))}}
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode && !isNull(top) {
		return nil, nil, &Error{file, []string{fmt.Sprintf("line %d: this is no configuration: that is keys such as `server:`, each with what belongs to it; see config.example.yaml", top.Line)}}
	}
	c, v := Default(), newValidation(&root, kinds)
	c.Kinds = kinds
	var read decoder
	read.decode(top, reflect.ValueOf(c).Elem())
	if read.expanded >= maxExpanded {
		return nil, nil, &Error{file, []string{fmt.Sprintf("line %d: anchors and aliases make it too large", read.outermost.Line)}}
	}
	v.problems = read.problems
	c.resolvePaths(file)
	return c, v, nil
}

// yamlPlace is how the YAML library says where a document breaks off.
var yamlPlace = regexp.MustCompile(`^line (\d+): `)

// unreadable says why a document cannot be read, with its line. The words of the YAML library may hold
// a part of a value, which may be a secret, so none of its words that do are repeated.
func unreadable(err error, data []byte) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if place := yamlPlace.FindString(text); place != "" {
		return place + "this is not YAML: " + syntax(text[len(place):])
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name = strings.TrimSuffix(name, "' referenced")
		line := lineAt(data, bytes.Index(data, []byte("*"+name)))
		return fmt.Sprintf("line %d: what begins with * refers to an anchor that is not there; put a value that begins with * in quotation marks", line)
	}
	if errors.Is(err, io.EOF) {
		return "line 1: there is nothing in it but comments"
	}
	line := lineAt(data, bytes.IndexFunc(data, func(r rune) bool {
		return r == utf8.RuneError || r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f
	}))
	return fmt.Sprintf("line %d: this is not YAML: %s", line, syntax(text))
}

// syntax says what to look for where the YAML library cannot go on, or repeats what it says.
func syntax(text string) string {
	switch {
	case strings.Contains(text, "cannot start any token"):
		return "a tab, or a character such as @ or ` where a value begins; indent with spaces, and put such a value in quotation marks"
	case strings.HasPrefix(text, "did not find expected key"), strings.HasPrefix(text, "did not find expected '-' indicator"):
		return "a line here, or the next, is indented in another way than those it belongs to"
	case strings.HasPrefix(text, "mapping values are not allowed"):
		return "a second colon in a line, or a line that is indented too far; put a value that holds a colon and a space in quotation marks"
	}
	return text
}

// lineAt returns the line of an offset in the text; 1 if the offset is negative.
func lineAt(data []byte, at int) int { return 1 + bytes.Count(data[:max(0, at)], []byte("\n")) }

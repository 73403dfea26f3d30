package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
)

// maxProblems is how many problems of one file are told: the rest mostly follows from them.
const MaxProblems = 100

// decodeConfig reads a file over the defaults. What is wrong with a value is among the problems of the validation; what cannot be read
// as a document at all is a *ConfigError.
func decode(file string, data []byte, kinds map[string]backend.Kind) (*Config, *validation, error) {
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&root); err != nil {
		return nil, nil, &Error{file, []string{unreadable(err, data, nil)}}
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, nil, &Error{file, []string{fmt.Sprintf("line %d: another document begins: a file holds one", max(1, more.Line))}}
	}
	if top := root.Content[0]; top.Kind != yaml.MappingNode && top.Kind != yaml.AliasNode && top.ShortTag() != "!!null" {
		return nil, nil, &Error{file, []string{fmt.Sprintf("line %d: this is no configuration: that is keys such as `server:`, each with what belongs to it; see config.example.yaml", top.Line)}}
	}
	c, v := Default(), newValidation(&root, kinds)
	c.Kinds = kinds
	var typed *yaml.TypeError
	switch err := decodeStrict(root.Content[0], c); {
	case errors.As(err, &typed):
		v.take(typed.Errors)
	case err != nil:
		return nil, nil, &Error{file, []string{unreadable(err, data, &root)}}
	}
	return c, v, nil
}

// take adds problems that the YAML library, or a value, has told of.
func (v *validation) take(texts []string) {
	for _, p := range texts[:min(len(texts), MaxProblems)] {
		text := v.located(p)
		v.problems = append(v.problems, problem{line: lineOf(text), text: text})
	}
}

// unreadables are those messages of the YAML library that end its reading and may hold a part of a value; in our words.
var unreadables = []struct {
	is   *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`(?s)^unknown anchor '.*' referenced$`), "what begins with * refers to an anchor that is not there; put a value that begins with * in quotation marks"},
	{regexp.MustCompile(`(?s)^anchor '.*' value contains itself$`), "an anchor contains itself"},
	{regexp.MustCompile(`(?s)^cannot decode `), "a value is not what its tag (!) says; put a value that begins with ! in quotation marks"},
	{regexp.MustCompile(`^!!binary value`), "a value is tagged as binary and is not base64"},
	{regexp.MustCompile(`(?s)^invalid map key`), "a key is not a text"},
	{regexp.MustCompile(`^map merge requires`), "what is merged (<<) is not a block of keys"},
	{regexp.MustCompile(`^document contains excessive`), "anchors and aliases make it too large"},
	{regexp.MustCompile(`^EOF$`), "there is nothing in it but comments"},
}

// unreadable rewords an error that ended the reading, with its line.
func unreadable(err error, data []byte, root *yaml.Node) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if place := yamlPlace.FindString(text); place != "" {
		return place + "this is not YAML: " + syntax(text[len(place):])
	}
	line := 1
	switch {
	case root != nil:
		line = culprit(root, text)
	case strings.HasPrefix(text, "unknown anchor '"):
		name := strings.TrimSuffix(strings.TrimPrefix(text, "unknown anchor '"), "' referenced")
		line = lineAt(data, bytes.Index(data, []byte("*"+name)))
	default:
		line = lineAt(data, bytes.IndexFunc(data, func(r rune) bool {
			return r == utf8.RuneError || r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f
		}))
	}
	for _, u := range unreadables {
		if u.is.MatchString(text) {
			return fmt.Sprintf("line %d: %s", line, u.text)
		}
	}
	return fmt.Sprintf("line %d: this is not YAML: %s", line, syntax(text))
}

// syntax says what to look for where the YAML library cannot go on; where it says more than we know, its words.
func syntax(text string) string {
	switch {
	case strings.Contains(text, "cannot start any token"):
		return "a tab, or a character such as @ or ` where a value begins; indent with spaces, and put such a value in quotation marks"
	case strings.HasPrefix(text, "did not find expected key"), strings.HasPrefix(text, "did not find expected '-' indicator"):
		return "a line here, or the next, is indented in another way than those it belongs to"
	case strings.HasPrefix(text, "mapping values are not allowed"):
		return "a second colon in a line, or a line that is indented too far; put a value that holds a colon and a space in quotation marks"
	}
	return plainYAML(text)
}

// lineAt is the line of a place in the text; the first one if there is no such place.
func lineAt(data []byte, at int) int { return 1 + bytes.Count(data[:max(0, at)], []byte("\n")) }

// culprit is the line of the deepest node that cannot be decoded by itself for the same reason.
func culprit(n *yaml.Node, text string) int {
	for _, c := range n.Content {
		var value any
		if err := c.Decode(&value); err != nil && strings.TrimPrefix(err.Error(), "yaml: ") == text {
			return culprit(c, text)
		}
	}
	return max(1, n.Line)
}

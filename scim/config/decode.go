package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// UnmarshalYAML fills in the defaults of a backend before reading it.
func (b *Backend) UnmarshalYAML(n *yaml.Node) error {
	type plain Backend
	d := plain(DefaultBackend())
	err := decodeStrict(n, &d)
	*b = Backend(d)
	var typed *yaml.TypeError
	if errors.As(err, &typed) { // kept for later, so that what is right is checked all the same
		b.problems = typed.Errors
		return nil
	}
	return err
}

// decodeStrict decodes a node whose unknown keys are errors. yaml.Node.Decode alone would let them pass below a
// type with a method of its own, so the keys are compared here, with their lines.
func decodeStrict(n *yaml.Node, into any) error {
	err := n.Decode(into)
	var typed *yaml.TypeError
	if err != nil && !errors.As(err, &typed) {
		return err
	}
	var problems []string
	if typed != nil {
		problems = typed.Errors
	}
	problems = append(problems, unknownKeys(n, into)...)
	if len(problems) == 0 {
		return nil
	}
	return &yaml.TypeError{Errors: problems}
}

var (
	yamlLine  = regexp.MustCompile(`line (\d+)`)
	yamlValue = regexp.MustCompile("(?s)cannot unmarshal (!\\S*)(?: `(.*)`)? into (\\S+)$")
	yamlTwice = regexp.MustCompile(`(?s)^mapping key .* already defined at (line \d+)$`)
)

// plainYAML rewords the YAML library's messages: no Go types, and no part of a value, which may be a secret.
func plainYAML(s string) string {
	if m := yamlTwice.FindStringSubmatch(s); m != nil {
		return "a key is given twice here, and first on " + m[1]
	}
	return yamlValue.ReplaceAllStringFunc(s, func(m string) string {
		parts := yamlValue.FindStringSubmatch(m)
		is := map[string]string{"!!str": "a text", "!!int": "a number", "!!seq": "a list", "!!map": "a block of keys", "!!bool": "true or false", "!!float": "a number", "!!null": "empty", "!!timestamp": "a date"}[parts[1]]
		if is == "" {
			is = "a value with a tag (!)"
		}
		want := "something else"
		switch t := parts[3]; {
		case strings.HasPrefix(t, "[]"), t == "config.Names":
			want = "a list"
		case t == "int":
			want = "a whole number"
		case t == "bool":
			want = "true or false"
		case t == "string":
			want = "a text"
		case strings.HasPrefix(t, "map") || strings.Contains(t, "."):
			want = "a block of keys"
		}
		return "is " + is + ", should be " + want
	})
}

func lineOf(s string) int {
	n := 0
	if m := yamlLine.FindStringSubmatch(s); m != nil {
		_, _ = fmt.Sscan(m[1], &n) // digits only
	}
	return n
}

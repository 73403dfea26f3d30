package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// names is a name or a list of them.
type Names []string

// UnmarshalYAML reads either form.
func (l *Names) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = Names{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return err
	}
	*l = list
	return nil
}

// Duration is a time.Duration written as 30s, 5m or 1h; a bare 0 is zero.
type Duration time.Duration

// String is the written form without parts that are zero: 6h.
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, zero := range []string{"0s", "0m"} {
		if len(s) > len(zero) && strings.ContainsAny(s[len(s)-len(zero)-1:len(s)-len(zero)], "hm") {
			s = strings.TrimSuffix(s, zero)
		}
	}
	return s
}

// UnmarshalYAML reads the written form.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "0" {
		*d = 0
		return nil
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 || n.Kind != yaml.ScalarNode {
		return wrongValue(n, "is not a duration such as 30s, 5m or 1h")
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes written as 64MiB or 1GiB.
type Size int64

// String is the written form, in MiB.
func (s Size) String() string { return fmt.Sprintf("%dMiB", s>>20) }

// UnmarshalYAML reads the written form.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	number, shift := strings.TrimSuffix(n.Value, "MiB"), 20
	if rest, ok := strings.CutSuffix(n.Value, "GiB"); ok {
		number, shift = rest, 30
	}
	v, err := strconv.ParseUint(number, 10, 20)
	if err != nil || number == n.Value || n.Kind != yaml.ScalarNode {
		return wrongValue(n, "is not a size such as 256MiB or 1GiB")
	}
	*s = Size(v << shift) //nolint:gosec // at most a million GiB
	return nil
}

// wrongValue is a mistake in one value, at its place: named below, once the whole file is known.
func wrongValue(n *yaml.Node, detail string) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d column %d: %s", n.Line, n.Column, detail)}}
}

package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Names is a name or a list of them.
type Names []string

func (l *Names) parseShort(text string) { *l = Names{text} }

// Duration is a time.Duration written as 30s, 5m or 1h; a bare 0 is zero.
type Duration time.Duration

// String returns the written form without parts that are zero: 6h.
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, zero := range []string{"0s", "0m"} {
		if len(s) > len(zero) && strings.ContainsAny(s[len(s)-len(zero)-1:len(s)-len(zero)], "hm") {
			s = strings.TrimSuffix(s, zero)
		}
	}
	return s
}

func (d *Duration) parse(text string) bool {
	if text == "0" {
		*d = 0
		return true
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return false
	}
	*d = Duration(v)
	return true
}

func (*Duration) wrong() string { return "is not a duration such as 30s, 5m or 1h" }

// Size is a number of bytes written as 64MiB or 1GiB.
type Size int64

// String returns the written form in MiB.
func (s Size) String() string { return fmt.Sprintf("%dMiB", s>>20) }

func (s *Size) parse(text string) bool {
	number, shift := strings.TrimSuffix(text, "MiB"), 20
	if rest, ok := strings.CutSuffix(text, "GiB"); ok {
		number, shift = rest, 30
	}
	v, err := strconv.ParseUint(number, 10, 20)
	if err != nil || number == text {
		return false
	}
	*s = Size(v << shift) //nolint:gosec // at most a million GiB
	return true
}

func (*Size) wrong() string { return "is not a size such as 256MiB or 1GiB" }

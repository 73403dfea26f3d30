package pgtext

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// PostgreSQL's text is UTF-8 without zero bytes, and a row of an index has at most 2,704 bytes. The port
// allows other strings. So they are escaped, which changes no usual string, and shortened in keys.

// mark is the control character (SUB) that begins an escape: it is followed by two hexadecimal digits for a byte, or by cut.
const (
	mark = 0x1a
	cut  = "\x1a~"
)

// MaxKey is the longest string, in bytes, that is a key itself. Four of them fit into an index.
const MaxKey = 500

// Text escapes a string.
func Text(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 && strings.IndexByte(s, mark) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || r == 0 || r == mark {
			fmt.Fprintf(&b, "%c%02x", mark, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// Plain reverses Text.
func Plain(s string) string {
	if strings.IndexByte(s, mark) < 0 {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, string(rune(mark)))
		b.WriteString(before)
		if !found || len(after) < 2 {
			return b.String()
		}
		raw, _ := hex.DecodeString(after[:2]) // Text wrote two digits
		b.Write(raw)
		s = after[2:]
	}
}

// Key escapes a string that is part of a key. A long one becomes its beginning and its hash.
func Key(s string) string {
	t := Text(s)
	if len(t) <= MaxKey {
		return t
	}
	head := t[:MaxKey-len(cut)-2*sha256.Size]
	for !utf8.ValidString(head) { // in the middle of a rune
		head = head[:len(head)-1]
	}
	sum := sha256.Sum256([]byte(s))
	return head + cut + hex.EncodeToString(sum[:])
}

// Whole returns the full text of a key that Key shortens; nil for others.
func Whole(s string) *string {
	if t := Text(s); len(t) > MaxKey {
		return &t
	}
	return nil
}

// Wholes is Whole for the parts of a key together.
func Wholes(parts ...string) []string {
	long := false
	for i, p := range parts {
		parts[i] = Text(p)
		long = long || len(parts[i]) > MaxKey
	}
	if !long {
		return nil
	}
	return parts
}

// Unshorten reads the parts of a key, from whole if it is there.
func Unshorten(whole []string, parts ...*string) {
	for i, p := range parts {
		if whole != nil {
			*p = whole[i]
		}
		*p = Plain(*p)
	}
}

// Texts is Text for a list; nil for an empty one.
func Texts(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Text(s)
	}
	return out
}

// Plains reverses Texts.
func Plains(list []string) []string {
	for i, s := range list {
		list[i] = Plain(s)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// Nanos returns a time as a number; nil for the zero time. A time beyond three centuries becomes the nearest that fits.
func Nanos(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixNano()
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		n = math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		n = math.MaxInt64
	}
	return &n
}

// Moment reverses Nanos.
func Moment(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.Unix(0, *n).UTC()
}

package postgres

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

// FuzzText checks that any string becomes text that PostgreSQL accepts, and back. Keys are short, and
// different strings have different keys.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "ada@example.com", "a\x00", "\xff\xfe", "\x1a00", "\x1a", "\x1a~", "ä\x80", "\xed\xa0\x80", strings.Repeat("ä", 251), strings.Repeat("x", 500), strings.Repeat("x", 501), strings.Repeat("\x00", 1024)} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{a, b} {
			for _, stored := range []string{pgtext.Text(s), pgtext.Key(s)} {
				if !utf8.ValidString(stored) || strings.Contains(stored, "\x00") {
					t.Errorf("%q is stored as %q", s, stored)
				}
			}
			if back := pgtext.Plain(pgtext.Text(s)); back != s {
				t.Errorf("%q comes back as %q", s, back)
			}
			if n := len(pgtext.Key(s)); n > pgtext.MaxKey {
				t.Errorf("key of %d bytes", n)
			}
			k := pgtext.Key(s)
			var whole []string
			if w := pgtext.Wholes(s); w != nil {
				whole = w
			}
			if pgtext.Unshorten(whole, &k); k != s {
				t.Errorf("%q comes back from its key as %q", s, k)
			}
		}
		if a != b && (pgtext.Key(a) == pgtext.Key(b) || pgtext.Text(a) == pgtext.Text(b)) {
			t.Errorf("%q and %q are the same", a, b)
		}
	})
}

package patch

import "strings"

// BareUUID returns a UUID in lower case and without braces. odd reports whether s is a UUID in
// another spelling.
func BareUUID(s string) (bare string, odd bool) {
	braced := len(s) == 38 && s[0] == '{' && s[37] == '}'
	if braced {
		s = s[1:37]
	}
	if len(s) != 36 {
		return "", false
	}
	upper := false
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return "", false
			}
		case c >= 'A' && c <= 'F':
			upper = true
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return "", false
		}
	}
	return strings.ToLower(s), braced || upper
}

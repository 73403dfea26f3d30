package scim

import "strings"

// cleanPath decodes the path of a URL once and takes repeated slashes for one, and a slash at the
// end for none. Clients escape the colons of a URN, and some join a base that ends in a slash with
// a path that begins with one.
//
// It refuses an escape of anything that is not plain in a segment (slash, backslash, percent,
// blank, control character …), an escaped dot and two dots in a row: two readers could take such a
// path for two different ones.
func cleanPath(escaped string) (path string, ok bool) {
	path = escaped
	if strings.Contains(escaped, "%") || strings.Contains(escaped, "//") {
		if path, ok = decodePath(escaped); !ok {
			return "", false
		}
	}
	for i := range len(path) {
		if !inSegment(path[i]) && path[i] != '/' {
			return "", false
		}
	}
	return strings.TrimSuffix(path, "/"), !strings.Contains(path, "..")
}

func decodePath(escaped string) (string, bool) {
	out := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		switch {
		case c == '%':
			var ok bool
			if c, ok = escapedByte(escaped[i+1:]); !ok || c == '.' || !inSegment(c) {
				return "", false
			}
			i += len("XX")
		case c == '/' && len(out) > 0 && out[len(out)-1] == '/':
			continue
		}
		out = append(out, c)
	}
	return string(out), true
}

// escapedByte reads the two hexadecimal digits of an escape.
func escapedByte(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	high, ok := hexDigit(s[0])
	low, also := hexDigit(s[1])
	return high<<4 | low, ok && also
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// inSegment returns whether a byte may stand as it is in a segment of a path (pchar of RFC 3986).
func inSegment(c byte) bool {
	switch c {
	case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@':
		return true
	}
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// scimPath returns the path under which the routes know a clean path: names of endpoints are found
// in any letter case. It refuses a path outside of Root.
func scimPath(clean string) (path string, ok bool) {
	rest, ok := strings.CutPrefix(clean, Root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		return Root, true
	}
	given, tail, _ := strings.Cut(rest[1:], "/")
	name, known := endpointNamed(given)
	search := strings.EqualFold(tail, searchName) && tail != searchName
	if !known || given == name && !search {
		return clean, true
	}
	path = Root + "/" + name
	switch {
	case search:
		path += "/" + searchName
	case tail != "":
		path += "/" + tail
	}
	return path, true
}

const searchName = ".search"

// endpointNamed returns the name of an endpoint as RFC 7644 spells it.
func endpointNamed(given string) (name string, known bool) {
	for _, name := range [...]string{"Users", "Groups", "Bulk", "Schemas", "ResourceTypes", "ServiceProviderConfig", "Me", searchName} {
		if strings.EqualFold(given, name) {
			return name, true
		}
	}
	return given, false
}

// Package route reads the path of a URL: what it is once it is decoded, and which endpoint it
// names.
package route

import "strings"

// Root is the path under which SCIM is served.
const Root = "/scim/v2"

// Search is the last segment of the path of a search (RFC 7644 section 3.4.3).
const Search = ".search"

// Clean decodes the path of a URL once. It reads repeated slashes as one and drops a slash at the
// end. Clients escape the colons of a URN, and some join a base that ends in a slash with a path
// that begins with one.
//
// Clean refuses an escape of anything that is not plain in a segment (slash, backslash, percent,
// blank, control character …), an escaped dot and two dots in a row: two programs could read such a
// path as two different ones.
func Clean(escaped string) (path string, ok bool) {
	path = escaped
	if strings.Contains(escaped, "%") || strings.Contains(escaped, "//") {
		if path, ok = decode(escaped); !ok {
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

// decode decodes the escapes of a path and drops repeated slashes.
func decode(escaped string) (string, bool) {
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
	low, lowOK := hexDigit(s[1])
	return high<<4 | low, ok && lowOK
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

// inSegment reports whether a segment of a path may hold a byte unescaped (pchar of RFC 3986).
func inSegment(c byte) bool {
	switch c {
	case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@':
		return true
	}
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// Canonical returns a clean path with the name of its endpoint as RFC 7644 spells it: clients write
// it in any letter case. It refuses a path outside of Root.
func Canonical(clean string) (path string, ok bool) {
	rest, ok := strings.CutPrefix(clean, Root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		return Root, true
	}
	given, tail, _ := strings.Cut(rest[1:], "/")
	name, known := endpoint(given)
	search := strings.EqualFold(tail, Search) && tail != Search
	if !known || given == name && !search {
		return clean, true
	}
	path = Root + "/" + name
	switch {
	case search:
		path += "/" + Search
	case tail != "":
		path += "/" + tail
	}
	return path, true
}

// Endpoint returns the name of the endpoint of a clean path; "" if it has none of its own.
func Endpoint(clean string) string {
	rest, ok := strings.CutPrefix(clean, Root+"/")
	if !ok {
		return ""
	}
	given, _, _ := strings.Cut(rest, "/")
	if name, known := endpoint(given); known && name != Search {
		return name
	}
	return ""
}

// IsSearch reports whether a clean path is that of a search.
func IsSearch(clean string) bool { return strings.HasSuffix(clean, "/"+Search) }

// endpoint returns the name of an endpoint as RFC 7644 spells it.
func endpoint(given string) (name string, known bool) {
	for _, name := range [...]string{"Users", "Groups", "Bulk", "Schemas", "ResourceTypes", "ServiceProviderConfig", "Me", Search} {
		if strings.EqualFold(given, name) {
			return name, true
		}
	}
	return given, false
}

package filter

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// literal reads a string, a number, true, false, null or a word without quotes, which counts as a string (E03). A whole number
// becomes an int, another one a float64, as in the library's tree.
func (p *parser) literal() (any, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	start := p.pos
	for p.pos < len(p.in) && !strings.ContainsRune(" ()[]\"", rune(p.in[p.pos])) && p.in[p.pos] >= 0x20 {
		p.pos++
	}
	word := p.in[start:p.pos]
	switch {
	case word == "":
		return nil, p.unexpected("a value")
	case strings.EqualFold(word, "true"):
		return true, nil
	case strings.EqualFold(word, "false"):
		return false, nil
	case strings.EqualFold(word, "null"):
		return nil, nil
	case word[0] == '-' || isDigit(word[0]):
		return number(word), nil
	}
	return word, nil
}

// number is what word means if JSON calls it a number, else word itself: identifiers such as 00aa-1 come without quotes, too.
func number(word string) any {
	if !json.Valid([]byte(word)) {
		return word
	}
	if strings.ContainsAny(word, ".eE") {
		if f, err := strconv.ParseFloat(word, 64); err == nil {
			return f
		}
		return word
	}
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return word
}

// quoted reads a JSON string and decodes its escapes.
func (p *parser) quoted() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; {
		case c == '"':
			s := p.in[start:p.pos]
			p.pos++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", errorf("a string contains the control character %#02x", c)
		}
		p.pos++
	}
	return "", errorf("a string is not closed")
}

// escaped continues quoted at the first backslash.
func (p *parser) escaped(start int) (string, error) {
	out := []byte(p.in[start:p.pos])
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(out), nil
		case c < 0x20:
			return "", errorf("a string contains the control character %#02x", c)
		case c != '\\':
			out = append(out, c)
			continue
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
	return "", errorf("a string is not closed")
}

// escape reads what follows a backslash. Half of a surrogate pair becomes U+FFFD, as in encoding/json.
func (p *parser) escape() (rune, error) {
	c := p.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); c != 0 && i >= 0 {
		p.pos++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.codeUnit(`u`)
	if !ok {
		return 0, errorf("a string contains an escape that JSON does not know")
	}
	if utf16.IsSurrogate(r) {
		at := p.pos
		if low, ok := p.codeUnit(`\u`); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, nil
			}
		}
		p.pos = at
		return utf8.RuneError, nil
	}
	return r, nil
}

// codeUnit reads prefix and four hexadecimal digits of either case.
func (p *parser) codeUnit(prefix string) (rune, bool) {
	rest, ok := strings.CutPrefix(p.in[p.pos:], prefix)
	if !ok || len(rest) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(rest[:4], 16, 16)
	if err != nil || rest[0] == '+' {
		return 0, false
	}
	p.pos += len(prefix) + 4
	return rune(n), true
}

package filter

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Word is a literal without quotes, as it was written. Against a text it is that text (E03);
// against an attribute of another type it is the boolean, number or date of that form.
type Word string

// IsNull reports whether w is null in any letter case. It means an absent value or, for an
// attribute of type string, that text.
func (w Word) IsNull() bool { return strings.EqualFold(string(w), "null") }

// Text returns a literal of the syntax tree, a string or a [Word], as it was written.
func Text(literal any) string {
	if w, ok := literal.(Word); ok {
		return string(w)
	}
	s, _ := literal.(string)
	return s
}

// literal reads a string or a word for the syntax tree.
func (p *parser) literal() (any, error) {
	text, bare, err := p.text()
	if bare {
		return Word(text), err
	}
	return text, err
}

// text reads a string between quotes of either kind, or a word without quotes.
func (p *parser) text() (text string, bare bool, err error) {
	if c := p.peek(); c == '"' || c == '\'' {
		text, err = p.quoted(c)
		return text, false, err
	}
	start := p.pos
	for p.pos < len(p.in) && !endsWord(p.in[p.pos]) {
		p.pos++
	}
	text = p.in[start:p.pos]
	if err = checkWord(text); err == nil && p.peek() == '"' {
		err = errorf("a value contains a double quote but does not begin with one: write the whole value in quotes")
	}
	if err == nil && text == "" {
		err = p.unexpected("a value")
	}
	return text, true, err
}

func endsWord(c byte) bool {
	return c <= ' ' || c == '(' || c == ')' || c == '[' || c == ']' || c == '"'
}

// quoted reads a string and decodes its escapes: those of JSON, and \' between single quotes.
func (p *parser) quoted(quote byte) (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; {
		case c == quote:
			s := p.in[start:p.pos]
			p.pos++
			return s, p.afterString()
		case c == '\\':
			return p.escaped(start, quote)
		case c < 0x20:
			return "", errorf("a string contains the control character %#02x", c)
		}
		p.pos++
	}
	return "", notClosed()
}

func notClosed() error {
	return errorf("a string is not closed: it must end with the quote with which it begins")
}

// escaped continues quoted at the first backslash.
func (p *parser) escaped(start int, quote byte) (string, error) {
	out := []byte(p.in[start:p.pos])
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		p.pos++
		switch {
		case c == quote:
			return string(out), p.afterString()
		case c < 0x20:
			return "", errorf("a string contains the control character %#02x", c)
		case c != '\\':
			out = append(out, c)
			continue
		}
		if quote == '\'' && p.peek() == quote {
			p.pos++
			out = append(out, quote)
			continue
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
	return "", notClosed()
}

// afterString refuses text directly after a string, as in 'O'Neil': what the string should have
// been is unknown.
func (p *parser) afterString() error {
	if c := p.peek(); p.done() || c == ' ' || c == ')' || c == ']' {
		return nil
	}
	return errorf(`text follows directly after a closing quote: write a quote inside a string with a backslash`)
}

// escape reads what follows a backslash. Half of a surrogate pair becomes U+FFFD, as in
// encoding/json.
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

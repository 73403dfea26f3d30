package filter

import (
	"strings"
	"unicode/utf8"
)

// maxValues is how many values a list of conditions may name.
const maxValues = 10_000

// Values reads [name eq a or name eq b or …], of which a request may have thousands, or one with
// thousands of values: such a list may be longer than [maxLength], and no tree is made of it. ok is
// false for any other text. The error is an *[Error].
func Values(s, name string) (values []string, ok bool, err error) {
	if s == "" || s[0] != '[' || !utf8.ValidString(s) {
		return nil, false, nil
	}
	p := parser{in: s, pos: 1}
	for p.condition(name) {
		value, _, err := p.text()
		switch {
		case err != nil:
			return nil, false, err
		case len(values) == maxValues:
			return nil, false, errorf("the path names more than %d values: name the rest in another operation", maxValues)
		}
		values = append(values, value)
		if p.skipSpace(); p.peek() == ']' {
			p.pos++
			return values, p.done(), nil
		}
		if !p.keyword("or") {
			break
		}
	}
	return nil, false, nil
}

// condition skips "name eq" and reports whether it came next.
func (p *parser) condition(name string) bool {
	p.skipSpace()
	if !strings.EqualFold(p.word(), name) || p.peek() != ' ' {
		return false
	}
	p.skipSpace()
	if !strings.EqualFold(p.word(), "eq") {
		return false
	}
	p.skipSpace()
	return true
}

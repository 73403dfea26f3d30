package filter

import (
	"strings"
	"unicode/utf8"

	fp "github.com/scim2/filter-parser/v2"
)

// Limits of a filter or a path.
const (
	// maxLength is the longest filter or path in bytes.
	maxLength = 4096
	// MaxDepth is how deep parentheses and brackets may nest.
	MaxDepth = 16
)

// Parse reads a filter. The error is an *[Error].
func Parse(s string) (fp.Expression, error) {
	if err := checkLimits(s); err != nil {
		return nil, err
	}
	p := parser{in: s}
	p.skipSpace()
	if p.done() {
		return nil, errorf("the filter is empty")
	}
	e, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.skipSpace(); !p.done() {
		return nil, p.unexpected("the end of the filter")
	}
	return e, nil
}

// ParsePath reads the path of a PATCH operation: attr, attr.sub, attr[filter] or attr[filter].sub,
// each with or without the URN of its schema in front. The error is an *[Error].
func ParsePath(s string) (fp.Path, error) {
	if err := checkLimits(s); err != nil {
		return fp.Path{}, err
	}
	p := parser{in: s}
	p.skipSpace()
	path, err := p.path()
	if err != nil {
		return fp.Path{}, err
	}
	if p.skipSpace(); !p.done() {
		return fp.Path{}, p.unexpected("the end of the path")
	}
	return path, nil
}

// checkLimits checks the length and the encoding of s; the parser counts how deep it nests.
func checkLimits(s string) error {
	if len(s) > maxLength {
		return errorf("the filter has %d bytes, more than the %d that are allowed", len(s), maxLength)
	}
	if !utf8.ValidString(s) {
		return errorf("the filter is not valid UTF-8")
	}
	return nil
}

// parser is a recursive descent over in. It goes deeper only in enter, which limits the depth.
type parser struct {
	in       string
	pos      int
	depth    int  // open parentheses and brackets
	brackets bool // within attr[...], where another [ is wrong
}

// enter skips the parenthesis or bracket at the current byte.
func (p *parser) enter() error {
	p.pos++
	if p.depth++; p.depth > MaxDepth {
		return errorf("the filter nests deeper than the %d levels that are allowed", MaxDepth)
	}
	return nil
}

// leave expects the parenthesis or bracket that closes what enter opened.
func (p *parser) leave(c byte) error {
	p.depth--
	if p.skipSpace(); p.peek() != c {
		return p.unexpected("'" + string(c) + "'")
	}
	p.pos++
	return nil
}

// disjunction = conjunction *("or" conjunction)
func (p *parser) disjunction() (fp.Expression, error) {
	left, err := p.conjunction()
	for err == nil && p.keyword("or") {
		var right fp.Expression
		right, err = p.conjunction()
		left = &fp.LogicalExpression{Left: left, Right: right, Operator: fp.OR}
	}
	return left, err
}

// conjunction = term *("and" term)
func (p *parser) conjunction() (fp.Expression, error) {
	left, err := p.term()
	for err == nil && p.keyword("and") {
		var right fp.Expression
		right, err = p.term()
		left = &fp.LogicalExpression{Left: left, Right: right, Operator: fp.AND}
	}
	return left, err
}

// term = "not" group / group / comparison
func (p *parser) term() (fp.Expression, error) {
	p.skipSpace()
	if p.peek() == '(' {
		return p.group()
	}
	if p.negation() {
		e, err := p.group()
		return &fp.NotExpression{Expression: e}, err
	}
	return p.comparison()
}

// group = "(" disjunction ")"
func (p *parser) group() (fp.Expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	e, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	return e, p.leave(')')
}

// comparison = attrPath operation / valuePath ["." name operation]
func (p *parser) comparison() (fp.Expression, error) {
	attr, err := p.attributePath()
	if err != nil {
		return nil, err
	}
	p.skipSpace()
	if p.peek() != '[' {
		return p.operation(attr)
	}
	values, err := p.valueFilter()
	if err != nil {
		return nil, err
	}
	if p.peek() == '.' {
		// attr[filter].sub op value asks of one element what attr[filter and sub op value] asks.
		p.pos++
		sub, err := p.attributePath()
		if err != nil {
			return nil, err
		}
		cmp, err := p.operation(sub)
		if err != nil {
			return nil, err
		}
		values = &fp.LogicalExpression{Left: values, Right: cmp, Operator: fp.AND}
	}
	return &fp.ValuePath{AttributePath: attr, ValueFilter: values}, nil
}

// valueFilter = "[" disjunction "]"
func (p *parser) valueFilter() (fp.Expression, error) {
	if p.brackets {
		return nil, p.unexpected("an operator")
	}
	p.brackets = true
	if err := p.enter(); err != nil {
		return nil, err
	}
	e, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	p.brackets = false
	return e, p.leave(']')
}

// operation = "pr" / operator literal
func (p *parser) operation(attr fp.AttributePath) (fp.Expression, error) {
	p.skipSpace()
	at := p.pos
	op, ok := operator(p.word())
	if !ok {
		p.pos = at
		return nil, p.unexpected("an operator such as eq")
	}
	if op == fp.PR {
		return &fp.AttributeExpression{AttributePath: attr, Operator: op}, nil
	}
	p.skipSpace()
	value, err := p.literal()
	if err != nil {
		return nil, err
	}
	return &fp.AttributeExpression{AttributePath: attr, Operator: op, CompareValue: value}, nil
}

func operator(word string) (fp.CompareOperator, bool) {
	for _, op := range [...]fp.CompareOperator{fp.EQ, fp.PR, fp.CO, fp.SW, fp.EW, fp.NE, fp.GT, fp.GE, fp.LT, fp.LE} {
		if strings.EqualFold(word, string(op)) {
			return op, true
		}
	}
	return "", false
}

// path = attrPath / attrPath "[" filter "]" ["." name]
func (p *parser) path() (fp.Path, error) {
	attr, err := p.attributePath()
	if err != nil {
		return fp.Path{}, err
	}
	path := fp.Path{AttributePath: attr}
	p.skipSpace()
	if p.peek() != '[' {
		return path, nil
	}
	if path.ValueExpression, err = p.valueFilter(); err != nil {
		return fp.Path{}, err
	}
	if p.peek() == '.' {
		p.pos++
		start := p.pos
		p.skipName()
		sub := p.in[start:p.pos]
		if !isName(sub) {
			return fp.Path{}, errorf("%q is no name of a sub-attribute", Clip(sub))
		}
		path.SubAttribute = &sub
	}
	return path, nil
}

// attributePath = [urn ":"] name ["." name]
func (p *parser) attributePath() (fp.AttributePath, error) {
	start := p.pos
	p.skipName()
	token := p.in[start:p.pos]
	if token == "" {
		return fp.AttributePath{}, p.unexpected("an attribute")
	}
	var path fp.AttributePath
	name := token
	if i := urnEnd(token); i >= 0 {
		urn := token[:i]
		if urn == "" || urn[0] == ':' || strings.Contains(token, "::") {
			return fp.AttributePath{}, errorf("%q is no attribute path", Clip(token))
		}
		path.URIPrefix, name = &urn, token[i+1:]
	}
	if i := strings.IndexByte(name, '.'); i >= 0 {
		sub := name[i+1:]
		if !isName(sub) {
			return fp.AttributePath{}, errorf("%q is no attribute path", Clip(token))
		}
		path.SubAttribute, name = &sub, name[:i]
	}
	if !isName(name) {
		return fp.AttributePath{}, errorf("%q is no attribute path", Clip(token))
	}
	path.AttributeName = name
	return path, nil
}

// urnEnd returns where the URN in front of an attribute ends: at the last colon or, in a URN of the
// IETF, at the dot that some mappings have in its place (urn:…:2.0:User.department). After a
// version comes the name of a schema, never an attribute.
func urnEnd(token string) int {
	const ietf = "urn:ietf:params:scim:schemas:"
	end := strings.LastIndexByte(token, ':')
	if end < len(ietf) || !strings.EqualFold(token[:len(ietf)], ietf) {
		return end
	}
	version := token[strings.LastIndexByte(token[:end], ':')+1 : end]
	dot := strings.IndexByte(token[end:], '.')
	if dot > 0 && version != "" && isDigit(version[0]) {
		return end + dot
	}
	return end
}

// isName reports whether s is an attribute name; $ref is one.
func isName(s string) bool {
	s = strings.TrimPrefix(s, "$")
	if s == "" || !isAlpha(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// keyword skips word, which spaces may precede, if it comes next.
func (p *parser) keyword(word string) bool {
	at := p.pos
	p.skipSpace()
	if strings.EqualFold(p.word(), word) && (p.peek() == ' ' || p.peek() == '(') {
		return true
	}
	p.pos = at
	return false
}

// negation skips "not" in front of a parenthesis; elsewhere that is the name of an attribute.
func (p *parser) negation() bool {
	at := p.pos
	if strings.EqualFold(p.word(), "not") {
		if p.skipSpace(); p.peek() == '(' {
			return true
		}
	}
	p.pos = at
	return false
}

// word skips and returns the letters that come next.
func (p *parser) word() string {
	start := p.pos
	for p.pos < len(p.in) && isAlpha(p.in[p.pos]) {
		p.pos++
	}
	return p.in[start:p.pos]
}

func (p *parser) skipName() {
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; {
		case isAlpha(c), isDigit(c), c == '-', c == '_', c == '.', c == ':', c == '$':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) skipSpace() {
	for p.pos < len(p.in) && p.in[p.pos] == ' ' {
		p.pos++
	}
}

func (p *parser) done() bool { return p.pos == len(p.in) }

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.done() {
		return 0
	}
	return p.in[p.pos]
}

func (p *parser) unexpected(wanted string) error {
	if p.done() {
		return errorf("%s is missing at the end", wanted)
	}
	return errorf("%s is missing at byte %d", wanted, p.pos+1) // the text there may be personal data or a password
}

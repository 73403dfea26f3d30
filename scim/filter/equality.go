package filter

import (
	"strings"

	fp "github.com/scim2/filter-parser/v2"
)

// Term is one comparison "path eq value".
type Term struct {
	Path  string // lower-case, with the URN if the filter gave one: "username", "emails.value"
	Value string
}

// Equality returns the terms "attr eq literal" that every match of e satisfies, for choosing an
// index: e is such a term or a conjunction that contains some. It is nil if there are none. A
// candidate found by a term must still pass [Match].
//
// The value is the literal as it was written. null without quotes makes no term, because it may
// mean an absent value.
//
// Of attr[sub eq "x"] it returns attr.sub eq "x". A path is as the filter has it: "members eq x"
// has the path "members".
func Equality(e fp.Expression) []Term {
	return appendTerms(nil, "", e)
}

func appendTerms(terms []Term, parent string, e fp.Expression) []Term {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		if e.Operator == fp.AND {
			terms = appendTerms(terms, parent, e.Left)
			terms = appendTerms(terms, parent, e.Right)
		}
	case *fp.ValuePath:
		terms = appendTerms(terms, pathOf(e.AttributePath)+".", e.ValueFilter)
	case *fp.AttributeExpression:
		if word, bare := e.CompareValue.(Word); e.Operator == fp.EQ && !(bare && word.IsNull()) {
			terms = append(terms, Term{strings.ToLower(parent + pathOf(e.AttributePath)), Text(e.CompareValue)})
		}
	}
	return terms
}

func pathOf(p fp.AttributePath) string {
	s := p.AttributeName
	if p.URIPrefix != nil {
		s = *p.URIPrefix + ":" + s
	}
	if p.SubAttribute != nil {
		s += "." + *p.SubAttribute
	}
	return s
}

// Names reports whether a filter is about an attribute, given in lower case.
func Names(e fp.Expression, attribute string) bool {
	about := func(p fp.AttributePath) bool { return strings.ToLower(p.AttributeName) == attribute }
	switch e := e.(type) {
	case *fp.AttributeExpression:
		return about(e.AttributePath)
	case *fp.ValuePath:
		return about(e.AttributePath)
	case *fp.LogicalExpression:
		return Names(e.Left, attribute) || Names(e.Right, attribute)
	case *fp.NotExpression:
		return Names(e.Expression, attribute)
	}
	return true
}

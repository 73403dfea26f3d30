package patch

import (
	"slices"
	"strings"

	"github.com/elimity-com/scim/errors"
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// selection is the rows that the brackets of members[…] select: those with these values, or those
// that satisfy match.
type selection struct {
	ids   []string
	match fp.Expression
	attr  filter.Attribute // to which match belongs
}

// selection reads the brackets.
func (rd *reader) selection(bracketed string) (selection, error) {
	ids, ok, err := filter.Values(bracketed, "value")
	if ok {
		return selection{ids: ids}, nil
	}
	var path fp.Path
	if err == nil {
		path, err = filter.ParsePath(rd.Rows + bracketed)
	}
	if err != nil {
		return selection{}, fail(errors.ScimErrorInvalidPath, "%s[…]: cannot be read: %v", rd.Rows, err)
	}
	match := withoutDisplay(path.ValueExpression)
	if namesDisplay(match) {
		return selection{}, fail(errors.ScimErrorInvalidPath, "%s[…]: display is not kept; the filter must name the value", rd.Rows)
	}
	attr, _ := rd.Schema.Find("", rd.Rows)
	if err := attr.Validate(match); err != nil {
		return selection{}, fail(errors.ScimErrorInvalidPath, "%s[…]: the filter is wrong: %v", rd.Rows, err)
	}
	if ids, ok := alternatives(nil, match); ok {
		return selection{ids: ids}, nil
	}
	return selection{match: match, attr: attr}, nil
}

// alternatives returns the values of value eq "a" or (value eq "b" or …), if that is all that e
// says.
func alternatives(ids []string, e fp.Expression) ([]string, bool) {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		if equates(e, "value") {
			return append(ids, filter.Text(e.CompareValue)), true
		}
	case *fp.LogicalExpression:
		if e.Operator == fp.OR {
			if ids, ok := alternatives(ids, e.Left); ok {
				return alternatives(ids, e.Right)
			}
		}
	}
	return nil, false
}

// withoutDisplay drops display eq "x" from a conjunction that also names a value, as in WSO2's
// documentation: the value alone says which member it is.
func withoutDisplay(e fp.Expression) fp.Expression {
	terms := conjuncts(nil, e)
	if !slices.ContainsFunc(terms, func(term fp.Expression) bool { return equates(term, "value") }) {
		return e
	}
	var kept fp.Expression
	for _, term := range terms {
		switch {
		case equates(term, "display") || equates(term, "displayName"):
		case kept == nil:
			kept = term
		default:
			kept = &fp.LogicalExpression{Left: kept, Right: term, Operator: fp.AND}
		}
	}
	return kept
}

// conjuncts appends what e joins by and.
func conjuncts(terms []fp.Expression, e fp.Expression) []fp.Expression {
	if both, ok := e.(*fp.LogicalExpression); ok && both.Operator == fp.AND {
		return conjuncts(conjuncts(terms, both.Left), both.Right)
	}
	return append(terms, e)
}

// equates reports whether e is: name eq literal.
func equates(e fp.Expression, name string) bool {
	term, ok := e.(*fp.AttributeExpression)
	return ok && term.Operator == fp.EQ && isPlain(term.AttributePath, name)
}

// namesDisplay reports whether e names the display, which is never stored.
func namesDisplay(e fp.Expression) bool {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		return namesDisplay(e.Left) || namesDisplay(e.Right)
	case *fp.NotExpression:
		return namesDisplay(e.Expression)
	case *fp.AttributeExpression:
		return isPlain(e.AttributePath, "display") || isPlain(e.AttributePath, "displayName")
	}
	return false
}

// isPlain reports whether p is only name.
func isPlain(p fp.AttributePath, name string) bool {
	return p.URIPrefix == nil && p.SubAttribute == nil && strings.EqualFold(p.AttributeName, name)
}

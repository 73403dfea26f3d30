package scim

import (
	"fmt"
	"strings"
	"unicode"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
	"github.com/scimbridge/scimbridge/store"
)

// UserFilter compiles a SCIM filter over users into a predicate, for `where:` of a rule. It takes texts for the same that differ in
// letter case, and no others: see letterCase. The predicate may be called concurrently; it is false for a user whose attributes cannot
// be read.
func UserFilter(text string) (func(store.User) bool, error) {
	e, err := userFilter(text)
	if err != nil {
		return nil, err
	}
	s, schema := &Server{}, whereSchema()
	return func(u store.User) bool {
		res, err := s.userResource(u)
		if err != nil {
			return false
		}
		ok, err := filter.Match(e, res, schema)
		return ok && err == nil
	}, nil
}

func userFilter(text string) (fp.Expression, error) {
	e, err := filter.Parse(text)
	if err == nil {
		err = whereSchema().Validate(e)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a filter: %w", err)
	}
	if names(e, "groups") {
		return nil, fmt.Errorf("reading a filter: groups are for the rest of the rule")
	}
	return e, nil
}

// whereSchema is that of users, compared as rules compare.
func whereSchema() filter.Schema {
	s := userKind.schema
	s.Fold = letterCase
	return s
}

// letterCase makes texts the same that differ only in letter case (simple case folding), and no letter of ASCII the same as one that
// is not: the Kelvin sign is no k and the long s no s, as in mapping.Name. store.Fold, by which a search goes, is wider: what looks the
// same is the same there, and a rule that grants must not take one for the other.
func letterCase(s string) string {
	return strings.Map(func(r rune) rune {
		if small := unicode.ToLower(value.FoldLetter(r)); r <= unicode.MaxASCII || small > unicode.MaxASCII {
			return small
		}
		return r
	}, s)
}

// NeverActive says that a filter is true of no active user, whatever their other attributes are. It is false where that is not certain, and
// for a filter that is not valid.
func NeverActive(text string) bool {
	e, err := userFilter(text)
	if err != nil {
		return false
	}
	holds, _ := ofActive(e)
	return !holds
}

// ofActive says whether an expression can be true of an active user, and whether it can be false.
func ofActive(e fp.Expression) (holds, fails bool) {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		if !names(e, "active") {
			return true, true
		}
		ok, err := filter.Match(e, map[string]any{"active": true}, whereSchema())
		return ok || err != nil, !ok
	case *fp.NotExpression:
		holds, fails = ofActive(e.Expression)
		return fails, holds
	case *fp.LogicalExpression:
		left, leftFails := ofActive(e.Left)
		right, rightFails := ofActive(e.Right)
		if e.Operator == fp.OR {
			return left || right, leftFails && rightFails
		}
		return left && right, leftFails || rightFails
	}
	return true, true
}

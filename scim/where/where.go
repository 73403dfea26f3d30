// Package where compiles the condition of a rule, `where:` in the configuration: a SCIM filter over
// users.
package where

import (
	"fmt"
	"strings"
	"unicode"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/scim/value"
	"github.com/scimbridge/scimbridge/store"
)

// Compile returns a predicate over users, which may be called concurrently. It compares texts by
// letter case alone: see letterCase. It is false for a user whose attributes cannot be read.
func Compile(text string) (func(store.User) bool, error) {
	e, err := parse(text)
	if err != nil {
		return nil, err
	}
	schema := schema()
	return func(u store.User) bool {
		res, err := resource.Renderer{}.User(u)
		if err != nil {
			return false
		}
		ok, err := filter.Match(e, res, schema)
		return ok && err == nil
	}, nil
}

func parse(text string) (fp.Expression, error) {
	e, err := filter.Parse(text)
	if err == nil {
		err = schema().Validate(e)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a filter: %w", err)
	}
	if filter.Names(e, "groups") {
		return nil, fmt.Errorf("reading a filter: groups are for the rest of the rule")
	}
	return e, nil
}

// schema returns the schema of users, with the comparison of rules.
func schema() filter.Schema {
	s := resource.Users.Schema
	s.Fold = letterCase
	return s
}

// letterCase maps texts to the same text that differ only in letter case (simple case folding). It
// never maps a letter of ASCII and another letter to the same: the Kelvin sign is no k and the long
// s is no s, as in mapping.Name.
//
// store.Fold, which searches use, is wider: it maps together what looks alike. A rule that grants
// must not confuse the two.
func letterCase(s string) string {
	return strings.Map(func(r rune) rune {
		if small := unicode.ToLower(value.FoldLetter(r)); r <= unicode.MaxASCII || small > unicode.MaxASCII {
			return small
		}
		return r
	}, s)
}

// NeverActive reports whether a filter is certainly false for every active user. It is false for an
// invalid filter.
func NeverActive(text string) bool {
	e, err := parse(text)
	if err != nil {
		return false
	}
	holds, _ := ofActive(e)
	return !holds
}

// ofActive reports whether an expression can be true for an active user, and whether it can be
// false.
func ofActive(e fp.Expression) (holds, fails bool) {
	switch e := e.(type) {
	case *fp.AttributeExpression:
		if !filter.Names(e, "active") {
			return true, true
		}
		ok, err := filter.Match(e, map[string]any{"active": true}, schema())
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

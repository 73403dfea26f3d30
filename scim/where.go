package scim

import (
	"fmt"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/store"
)

// UserFilter compiles a SCIM filter over users into a predicate, for `where:` of a rule. The predicate may be called
// concurrently; it is false for a user whose attributes cannot be read.
func UserFilter(text string) (func(store.User) bool, error) {
	e, err := filter.Parse(text)
	if err == nil {
		err = userKind.schema.Validate(e)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a filter: %w", err)
	}
	if names(e, "groups") {
		return nil, fmt.Errorf("reading a filter: groups are for the rest of the rule")
	}
	s := &Server{}
	return func(u store.User) bool {
		res, err := s.userResource(u)
		if err != nil {
			return false
		}
		ok, err := filter.Match(e, res, userKind.schema)
		return ok && err == nil
	}, nil
}

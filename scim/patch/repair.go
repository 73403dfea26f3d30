package patch

import (
	"strings"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// What identity providers send although the RFC has it otherwise. The letters and numbers are lines of the wire corpus.

// readVerb reads op in any letter case: Entra writes Add, Replace and Remove unless a flag is set (E11, E37, E38).
func readVerb(op raw) (verb, error) {
	if op == nil {
		return 0, fail(errors.ScimErrorInvalidSyntax, "it has no op")
	}
	switch {
	case op.is("add"):
		return add, nil
	case op.is("replace"):
		return replace, nil
	case op.is("remove"):
		return remove, nil
	}
	return 0, fail(errors.ScimErrorInvalidSyntax, "its op is none of add, replace and remove")
}

// nullPath says whether path is null, which is how authentik says that there is none (X06).
func nullPath(path raw) bool { return path.isNull() }

// booleanOf reads a boolean, also from a string: Entra sends "True" and "False" (E11, E27), Keycloak "true" and "false" (X08).
func booleanOf(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		return strings.EqualFold(v, "true"), strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	}
	return false, false
}

// singleOf takes the value of a singular attribute out of the list that Entra puts it in: manager [{…}] (E21). An empty list is
// no value.
func singleOf(v any) any {
	if list, ok := v.([]any); ok {
		switch len(list) {
		case 0:
			return nil
		case 1:
			return list[0]
		}
	}
	return v
}

// listOf makes a list of the single value that a client gives for a multi-valued attribute, as a Microsoft test does (E42).
func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// referenceOf makes an object of the plain identifier that Entra sends for a manager (E22) and Microsoft's tests for a member
// (E42). An empty one is no value: so Entra takes a manager away (E23).
func referenceOf(a filter.Attribute, v any) any {
	id, ok := v.(string)
	switch {
	case !ok || id != "" && !a.HasValue():
		return v
	case id == "":
		return nil
	}
	return map[string]any{"value": id}
}

// lastPrimary leaves one element of a list primary, the last that says so: mappings and templates that
// administrators write can mark several, and RFC 7643, section 2.4 allows one.
func lastPrimary(list []any) {
	for i := len(list) - 1; i >= 0; i-- {
		if isPrimary(list[i]) {
			demoteOthers(list, i)
			return
		}
	}
}

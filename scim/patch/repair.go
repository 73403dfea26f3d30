package patch

import (
	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// Repairs of operations: forms that identity providers send and the RFC does not have. Package
// value repairs values. The letters and numbers are lines of the wire corpus.

// readVerb reads op in any letter case: Entra writes Add, Replace and Remove unless a flag is set
// (E11, E37, E38).
func readVerb(op value.JSON) (verb, error) {
	switch {
	case op.Is("add"):
		return add, nil
	case op.Is("replace"):
		return replace, nil
	case op.Is("remove"):
		return remove, nil
	}
	if op.IsText() {
		return 0, fail(errors.ScimErrorInvalidSyntax, "op: expected add, replace or remove, got another string")
	}
	return 0, fail(errors.ScimErrorInvalidSyntax, "op: expected add, replace or remove, got %s", op.Kind())
}

// nullPath reports whether path is null, as authentik sends it for an absent one (X06).
func nullPath(path value.JSON) bool { return path.IsNull() }

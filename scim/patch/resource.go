package patch

import (
	"slices"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/value"
)

// Full is what the body of a POST or PUT says a resource is.
type Full struct {
	Attributes map[string]any // in canonical form, without those kept as rows
	Rows       []string       // the values of the rows, each once
	HasRows    bool           // the body names them: neither absent nor null, so that a client that leaves them out empties nothing
	Ignored    []string       // what was accepted without effect
}

// ReadNew reads the body of a POST.
func ReadNew(body value.JSON, r Resource) (Full, error) { return readFull(body, r, true) }

// ReadReplacement reads the body of a PUT.
func ReadReplacement(body value.JSON, r Resource) (Full, error) { return readFull(body, r, false) }

// readFull reads a whole resource as a path-less PATCH of one without attributes: what the three methods understand is the same.
// It validates every attribute, holds the outcome to the schemas of elimity-com/scim and returns an errors.ScimError by value if
// one is wrong, or a required one is missing.
func readFull(body value.JSON, r Resource, creating bool) (Full, error) {
	if !body.IsObject() {
		return Full{}, fail(errors.ScimErrorInvalidSyntax, "expected a resource, got %s", body.Kind())
	}
	rd := newReader(r)
	rd.creating = creating
	if err := rd.pathless(replace, body); err != nil {
		return Full{}, err
	}
	rd.settleRows()
	out := Full{Attributes: map[string]any{}, Ignored: rd.change.Ignored, HasRows: len(rd.change.Rows) > 0}
	for _, op := range rd.change.Rows {
		out.Rows = append(out.Rows, op.Values...)
	}
	if _, err := Apply(out.Attributes, rd.change.Attributes, r); err != nil {
		return Full{}, err
	}
	return out, r.validate(out.Attributes)
}

// validate holds attributes to the schemas. What is missing is named; that a value has the wrong type would be a defect of ours,
// and the library's schema is the last to look.
func (r Resource) validate(attrs map[string]any) error {
	for _, a := range r.Schema.Core.Attributes {
		if a.Required() && attrs[a.Name()] == nil {
			return fail(errors.ScimErrorInvalidValue, "%s: expected a %s, got nothing", a.Name(), a.AttributeType())
		}
	}
	if _, err := r.Schema.Core.ValidateExtension(attrs); err != nil {
		return *err
	}
	for _, e := range r.Schema.Extensions {
		if given, ok := attrs[e.ID]; ok {
			if _, err := e.ValidateExtension(given); err != nil {
				return *err
			}
		}
	}
	return nil
}

// unknownPath answers a path that the schema does not know. A group has few attributes, and what is misspelt there would leave a
// role behind: it is an error. Those of users are ignored: templates that administrators write name more than the schema has.
func (rd *reader) unknownPath(path string) error {
	name := withoutFilters(path)
	if rd.Rows == "" || isURN(name) {
		rd.ignore(name)
		return nil
	}
	nearest, _ := rd.nearest(name)
	return fail(errors.ScimErrorInvalidPath, "%s: no such attribute of a %s; did you mean %s?", value.Clip(name), rd.Schema.Core.Name.Value(), nearest)
}

// unknownKey answers a key of a value or of a whole resource: clients send attributes of their own with groups, too, so only what
// is a slip of the pen is an error there.
func (rd *reader) unknownKey(path string) error {
	name := withoutFilters(path)
	if nearest, slips := rd.nearest(name); rd.Rows != "" && !isURN(name) && slips <= maxSlips {
		return fail(errors.ScimErrorInvalidValue, "%s: no such attribute of a %s; did you mean %s?", value.Clip(name), rd.Schema.Core.Name.Value(), nearest)
	}
	rd.ignore(name)
	return nil
}

// settableNames lists the attributes that a client can set.
func (rd *reader) settableNames() []string {
	names := []string{"externalId"}
	for _, a := range rd.Schema.Core.Attributes {
		if a.Mutability() != "readOnly" {
			names = append(names, a.Name())
		}
	}
	slices.Sort(names)
	return names
}

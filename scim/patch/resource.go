package patch

import (
	"slices"

	"github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// Full is a resource as the body of a POST or PUT gives it.
type Full struct {
	Attributes map[string]any // in canonical form, without those stored as rows
	Rows       []string       // the values of the rows, each once
	HasRows    bool           // the body gives them: absent and null mean no statement, so that an omission empties nothing
	Ignored    []string       // names without effect
}

// ReadNew reads the body of a POST.
func ReadNew(body value.JSON, r Resource) (Full, error) { return readFull(body, r, true) }

// ReadReplacement reads the body of a PUT.
func ReadReplacement(body value.JSON, r Resource) (Full, error) { return readFull(body, r, false) }

// readFull reads a whole resource as a path-less PATCH of one without attributes, so that all three
// methods understand the same. It validates every attribute and the result against the schemas of
// elimity-com/scim. It returns an errors.ScimError by value if an attribute is wrong, or a required
// one is missing.
func readFull(body value.JSON, r Resource, creating bool) (Full, error) {
	if !body.IsObject() {
		return Full{}, fail(errors.ScimErrorInvalidSyntax, "expected a resource, got %s", body.Kind())
	}
	rd := newReader(r)
	rd.creating, rd.place = creating, noPlace
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

// validate checks attributes against the schemas. The error names a missing attribute. A value of a
// wrong type would be a defect of package value, which this last check catches.
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

// unknownPath handles a path that the schema does not know. For a group it is an error: a group has
// few attributes, and a misspelt one would leave a role behind. For a user it is ignored: templates
// of administrators name more than the schema has.
func (rd *reader) unknownPath(path string) error {
	name := withoutFilters(path)
	nearest, slips := rd.nearest(name)
	if rd.Rows == "" || isURN(name) && slips > 0 { // an attribute of the group below the URN of a user is a slip as well
		rd.ignore(name)
		return nil
	}
	return fail(errors.ScimErrorInvalidPath, "%s: no such attribute of a %s; did you mean %s?", filter.Clip(name), rd.Schema.Core.Name.Value(), nearest)
}

// unknownKey handles an unknown key of a value or of a whole resource. Clients add attributes of
// their own to groups, so only a misspelt one is an error there.
func (rd *reader) unknownKey(path string) error {
	name := withoutFilters(path)
	if nearest, slips := rd.nearest(name); rd.Rows != "" && !isURN(name) && slips <= maxSlips {
		return fail(errors.ScimErrorInvalidValue, "%s: no such attribute of a %s; did you mean %s?", filter.Clip(name), rd.Schema.Core.Name.Value(), nearest)
	}
	if !isURN(name) {
		rd.known--
		rd.unknown = name
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

package filter

import (
	"strings"

	"github.com/elimity-com/scim/schema"
	fp "github.com/scim2/filter-parser/v2"
)

// Types of attributes, as schemas name them.
const (
	typeString    = "string"
	typeBoolean   = "boolean"
	typeDecimal   = "decimal"
	typeInteger   = "integer"
	typeDateTime  = "dateTime"
	typeReference = "reference"
	typeBinary    = "binary"
	typeComplex   = "complex"
)

// Schema is the schema by which a filter or a path is read: the core schema of a resource type and
// its extensions. The attributes of every resource (id, externalId, meta, schemas) belong to it
// without being listed.
type Schema struct {
	Core       schema.Schema
	Extensions []schema.Schema
	// Others are the other kinds of a query over several (RFC 7644 section 3.4.2.1). Their
	// attributes are known, and a resource of this kind has no value for them.
	Others []Schema
	// Fold maps texts that count as equal to the same text, for attributes that are not caseExact.
	// For a search it must be the function of the indexes, so that a filter finds the same with an
	// index and without. nil: strings.ToLower.
	Fold func(string) string
}

// Attribute is one attribute of a schema.
type Attribute struct {
	URN         string // the extension that holds it, under which its value is nested; "" outside extensions
	Name        string // as the schema writes it
	Type        string // "string", "boolean", "complex", …
	Mutability  string // "readWrite", "readOnly", "writeOnly", "immutable"
	MultiValued bool
	CaseExact   bool
	Required    bool

	subs      schema.Attributes
	fold      func(string) string // Schema.Fold
	elsewhere bool                // an attribute of another kind of resource: it never has a value here
}

// Find looks an attribute up, its name and URN compared without regard to case. Without a URN the
// core comes first and the extensions follow, since Entra asks for an extension's manager by its
// bare name (E06, E21).
func (s Schema) Find(urn, name string) (Attribute, bool) {
	a, ok := s.find(urn, name)
	a.fold = s.Fold
	return a, ok
}

func (s Schema) find(urn, name string) (Attribute, bool) {
	if urn == "" || strings.EqualFold(urn, s.Core.ID) {
		if a, ok := find(s.Core.Attributes, name); ok {
			return a, true
		}
		if a, ok := commonAttribute(name); ok {
			return a, true
		}
	}
	for _, ext := range s.Extensions {
		if urn == "" || strings.EqualFold(urn, ext.ID) {
			if a, ok := find(ext.Attributes, name); ok {
				a.URN = ext.ID
				return a, true
			}
		}
	}
	return Attribute{}, false
}

// known is Find that also looks among the attributes of other kinds.
func (s Schema) known(urn, name string) (Attribute, bool) {
	if a, ok := s.Find(urn, name); ok {
		return a, true
	}
	for _, o := range s.Others {
		if a, ok := o.Find(urn, name); ok {
			a.elsewhere = true
			return a, true
		}
	}
	return Attribute{}, false
}

// Sub looks a sub-attribute up, its name compared without regard to case. An element of a simple
// multi-valued attribute counts as having the sub-attribute value, itself.
func (a Attribute) Sub(name string) (Attribute, bool) {
	if a.Type != typeComplex {
		a.MultiValued = false
		return a, strings.EqualFold(name, "value")
	}
	if a.subs == nil && a.Name == schema.CommonAttributeMeta {
		return metaAttribute(name)
	}
	sub, ok := find(a.subs, name)
	sub.fold = a.fold
	return sub, ok
}

// folded returns s in the form to compare.
func (a Attribute) folded(s string) string {
	switch {
	case a.CaseExact:
		return s
	case a.fold == nil:
		return strings.ToLower(s)
	}
	return a.fold(s)
}

// textual reports whether the values of a are strings. A literal without quotes is compared with
// them as it was written.
func (a Attribute) textual() bool { return a.Type == typeString || a.Type == typeReference }

// HasValue reports whether a is complex with a sub-attribute value. A comparison without a
// sub-attribute compares that.
func (a Attribute) HasValue() bool {
	if a.Type != typeComplex {
		return false
	}
	_, ok := a.Sub("value")
	return ok
}

func find(attributes schema.Attributes, name string) (Attribute, bool) {
	for i := range attributes {
		a := &attributes[i]
		if strings.EqualFold(a.Name(), name) {
			return Attribute{
				Name:        a.Name(),
				Type:        a.AttributeType(),
				Mutability:  a.Mutability(),
				MultiValued: a.MultiValued(),
				CaseExact:   a.CaseExact(),
				Required:    a.Required(),
				subs:        a.SubAttributes(),
			}, true
		}
	}
	return Attribute{}, false
}

// commonAttribute finds an attribute of RFC 7643 section 3.1. The library's own list compiles a
// regular expression for each attribute on every call.
func commonAttribute(name string) (Attribute, bool) {
	switch {
	case strings.EqualFold(name, schema.CommonAttributeID):
		return Attribute{Name: schema.CommonAttributeID, Type: typeString, Mutability: "readOnly", CaseExact: true}, true
	case strings.EqualFold(name, schema.CommonAttributeExternalID):
		return Attribute{Name: schema.CommonAttributeExternalID, Type: typeString, Mutability: "readWrite", CaseExact: true}, true
	case strings.EqualFold(name, schema.CommonAttributeMeta):
		return Attribute{Name: schema.CommonAttributeMeta, Type: typeComplex, Mutability: "readOnly"}, true
	case strings.EqualFold(name, "schemas"):
		return Attribute{Name: "schemas", Type: typeReference, Mutability: "readOnly", MultiValued: true}, true
	}
	return Attribute{}, false
}

func metaAttribute(name string) (Attribute, bool) {
	for _, known := range [...]struct{ name, typ string }{
		{"resourceType", typeString}, {"created", typeDateTime}, {"lastModified", typeDateTime},
		{"location", typeReference}, {"version", typeString},
	} {
		if strings.EqualFold(name, known.name) {
			return Attribute{Name: known.name, Type: known.typ, Mutability: "readOnly", CaseExact: true}, true
		}
	}
	return Attribute{}, false
}

// scope is the start of the paths of an expression: a resource, or within brackets an element of
// one attribute.
type scope struct {
	schema  Schema
	element *Attribute
}

// attribute resolves path to an attribute and, if it names one, a sub-attribute.
func (sc scope) attribute(path fp.AttributePath) (attr Attribute, sub *Attribute, err error) {
	ok := false
	if sc.element != nil {
		if path.URIPrefix == nil {
			attr, ok = sc.element.Sub(path.AttributeName)
		}
	} else {
		attr, ok = sc.schema.known(path.URI(), path.AttributeName)
	}
	if !ok {
		return attr, nil, errorf("there is no attribute %q", Clip(pathOf(path)))
	}
	if attr.Mutability == "writeOnly" { // never stored: it would be unequal to every value
		return attr, nil, errorf("%q is write-only: leave it out", Clip(pathOf(path)))
	}
	if path.SubAttribute == nil {
		return attr, nil, nil
	}
	found, ok := attr.Sub(*path.SubAttribute)
	if !ok || attr.Type != typeComplex {
		return attr, nil, errorf("there is no attribute %q", Clip(pathOf(path)))
	}
	return attr, &found, nil
}

// SubNames lists the sub-attributes of a complex attribute, as the schema spells them.
func (a Attribute) SubNames() []string {
	names := make([]string, len(a.subs))
	for i := range a.subs {
		names[i] = a.subs[i].Name()
	}
	return names
}

package patch

import (
	"strings"

	"github.com/elimity-com/scim/errors"
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// target is an attribute that a path names, with a filter for its elements and a sub-attribute of
// them if the path has these.
type target struct {
	attr    filter.Attribute
	sub     *filter.Attribute
	match   fp.Expression // which elements of attr; nil for attr as a whole
	whole   bool          // all of the extension attr.URN; attr has no more than that
	located bool          // the schema knows the attribute
}

func (t target) String() string {
	s := t.attr.Name
	if t.attr.URN != "" {
		s = strings.TrimSuffix(t.attr.URN+":"+s, ":")
	}
	if t.sub != nil {
		s += "." + t.sub.Name
	}
	return s
}

// attribute returns the innermost attribute that t names.
func (t target) attribute() filter.Attribute {
	if t.sub != nil {
		return *t.sub
	}
	return t.attr
}

// locate reads a path. An unknown path is no error: located is false then.
func (r Resource) locate(path string) (target, error) {
	for _, ext := range r.Schema.Extensions {
		if strings.EqualFold(path, ext.ID) {
			return target{attr: filter.Attribute{URN: ext.ID}, whole: true, located: true}, nil
		}
	}
	parsed, err := filter.ParsePath(path)
	if err != nil {
		return target{}, fail(errors.ScimErrorInvalidPath, "path: cannot be read: %v", err)
	}
	attr, ok := r.Schema.Find(parsed.AttributePath.URI(), parsed.AttributePath.AttributeName)
	if !ok {
		return target{}, nil
	}
	t := target{attr: attr, match: parsed.ValueExpression}
	name := parsed.AttributePath.SubAttribute
	if parsed.SubAttribute != nil {
		if name != nil {
			return target{}, fail(errors.ScimErrorInvalidPath, "%s: has a sub-attribute of a sub-attribute", filter.Clip(withoutFilters(path)))
		}
		name = parsed.SubAttribute
	} else if name != nil && t.match != nil {
		return target{}, fail(errors.ScimErrorInvalidPath, "%s: has a filter on a sub-attribute", filter.Clip(withoutFilters(path)))
	}
	if name != nil {
		sub, ok := attr.Sub(*name)
		if !ok || attr.Type != "complex" {
			return target{}, nil
		}
		t.sub = &sub
	}
	if t.match != nil {
		if !attr.MultiValued {
			return target{}, fail(errors.ScimErrorInvalidPath, "%s: has a single value, which takes no filter", attr.Name)
		}
		if err := attr.Validate(t.match); err != nil {
			return target{}, fail(errors.ScimErrorInvalidPath, "%s: the filter of the path is wrong: %v", attr.Name, err)
		}
	}
	t.located = true
	return t, nil
}

// hasFilter reports whether path has a filter on an attribute of the schema. A filter that cannot
// be read is an error, not an unknown attribute.
func (r Resource) hasFilter(path string) bool {
	name, _, found := strings.Cut(path, "[")
	if !found {
		return false
	}
	t, err := r.locate(strings.TrimSpace(name))
	return err == nil && t.located
}

// withoutCoreURN strips the URN of the core schema from a path: urn:…:Group:members is members.
// Some mappings have a dot for the last colon.
func (r Resource) withoutCoreURN(path string) string {
	n := len(r.Schema.Core.ID)
	if len(path) > n && (path[n] == ':' || path[n] == '.') && strings.EqualFold(path[:n], r.Schema.Core.ID) {
		return path[n+1:]
	}
	return path
}

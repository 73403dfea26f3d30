package resource

import (
	"net/url"
	"strings"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/message"
)

// Projection is the part of a resource that a client wants (RFC 7644 section 3.9), as lower-case
// paths: names, sub-attributes after a dot, attributes of an extension after its URN and a colon.
// The URN of a core schema stands for all of its attributes.
type Projection struct {
	only, without         map[string]bool
	onlyParts             map[string]bool // attributes of which only wants a part
	onlyCore, withoutCore bool
}

// maxPath exceeds the path of every attribute. A longer one is cut and counts as the name of an
// unknown attribute: a client that wants only unknown attributes must not get all of them.
const maxPath = 256

// The parameters of a projection.
const (
	wanted   = "attributes"
	unwanted = "excludedAttributes"
)

// ProjectionParameters lists the names of the parameters that a projection has.
func ProjectionParameters() [2]string { return [...]string{wanted, unwanted} }

// ProjectionOf returns the projection of a request whose parameters [CheckProjection] accepted.
func ProjectionOf(values url.Values) (p Projection) {
	read := func(name string) (out map[string]bool, core bool) {
		out = map[string]bool{}
		for _, v := range values[name] {
			list, _ := attributeNames(name, v)
			for _, a := range list {
				a = strings.ToLower(strings.TrimSpace(a))
				for _, k := range Kinds() {
					core = core || strings.EqualFold(a, k.Schema.Core.ID)
					a = canonicalPath(k.Schema, a)
				}
				if a != "" {
					out[a[:min(len(a), maxPath)]] = true
				}
			}
		}
		return out, core
	}
	p.only, p.onlyCore = read(wanted)
	p.without, p.withoutCore = read(unwanted)
	p.onlyParts = map[string]bool{}
	for a := range p.only {
		for i, c := range a {
			if c == '.' || c == ':' {
				p.onlyParts[a[:i]] = true
			}
		}
	}
	return p
}

// WithoutMembers returns the projection of everything but members.
func WithoutMembers() Projection { return Projection{without: map[string]bool{"members": true}} }

// CheckProjection refuses lists of attributes that cannot be read.
func CheckProjection(values url.Values) error {
	for _, name := range ProjectionParameters() {
		for _, v := range values[name] {
			if _, err := attributeNames(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// canonicalPath returns a lower-case path without the URN of a core schema, and with a colon behind
// the URN of an extension. Some clients write a dot behind either.
func canonicalPath(s filter.Schema, path string) string {
	below := func(urn string) (string, bool) {
		urn = strings.ToLower(urn)
		rest, colon := strings.CutPrefix(path, urn+":")
		if colon {
			return rest, true
		}
		return strings.CutPrefix(path, urn+".")
	}
	if rest, ok := below(s.Core.ID); ok {
		return rest
	}
	for _, e := range s.Extensions {
		if rest, ok := below(e.ID); ok {
			return strings.ToLower(e.ID) + ":" + rest
		}
	}
	return path
}

// attributeNames splits a parameter at its commas. A filter, as in emails[type eq "work"].value of
// Microsoft's collection of requests, wants the whole attribute: the client finds its element by
// the other sub-attributes. An exclusion takes no filter, because it would exclude more than the
// client means.
func attributeNames(parameter, text string) (names []string, err error) {
	if !strings.ContainsAny(text, `[]"'`) {
		return strings.Split(text, ","), nil
	}
	bad := func(wrong string) error { return message.InvalidValue(parameter + ": " + wrong) }
	for rest, more := text, true; more; {
		name, _, _ := strings.Cut(rest, ",")
		bracket := strings.IndexByte(name, '[')
		switch {
		case bracket < 0 && strings.ContainsAny(name, `]"'`):
			return nil, bad("expected names of attributes without quotes, separated by commas")
		case bracket < 0:
			names = append(names, name)
			_, rest, more = strings.Cut(rest, ",")
			continue
		case parameter == unwanted:
			return nil, bad("takes no filter in brackets; name the whole attribute or a sub-attribute")
		}
		behind, err := filter.CutPath(rest)
		if err != nil {
			return nil, bad(err.Error())
		}
		names = append(names, rest[:bracket])
		behind, rest, more = strings.Cut(behind, ",")
		if strings.TrimSpace(behind) != "" {
			return nil, bad("expected a comma behind a filter in brackets")
		}
	}
	return names, nil
}

// WantsOnlyNamed reports whether the client listed the attributes that it wants.
func (p Projection) WantsOnlyNamed() bool { return len(p.only) > 0 }

// all reports whether the client wants the whole resource.
func (p Projection) all() bool { return len(p.only)+len(p.without) == 0 }

// wants reports whether the client wants an attribute or a part of it.
func (p Projection) wants(path string) bool {
	path = strings.ToLower(path)
	extension := strings.HasPrefix(path, "urn:")
	if len(p.only) == 0 {
		return !p.without[path] && (!p.withoutCore || extension)
	}
	return p.onlyCore && !extension || p.only[path] || p.onlyParts[path]
}

// apply removes what the client does not want. It changes the map but no nested value.
func (p Projection) apply(resource map[string]any) {
	for name, v := range resource {
		if name == "id" || name == "schemas" { // always returned
			continue
		}
		if v = p.part(name, v); v == nil {
			delete(resource, name)
		} else {
			resource[name] = v
		}
	}
}

// part returns the wanted part of a value; nil if there is none.
func (p Projection) part(path string, v any) any {
	lower := strings.ToLower(path)
	switch {
	case !p.wants(path):
		return nil
	case len(p.only) > 0 && (p.only[lower] || p.onlyCore && !strings.HasPrefix(lower, "urn:")):
		return v // all of it
	}
	switch v := v.(type) {
	case map[string]any:
		separator := "."
		if isExtension(lower) {
			separator = ":"
		}
		out := map[string]any{}
		for k, e := range v {
			if e = p.part(path+separator+k, e); e != nil {
				out[k] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e = p.part(path, e); e != nil {
				out = append(out, e)
			}
		}
		if len(out) == 0 && len(v) > 0 {
			return nil
		}
		return out
	}
	return v
}

func isExtension(lower string) bool {
	for _, e := range Users.Schema.Extensions {
		if strings.ToLower(e.ID) == lower {
			return true
		}
	}
	return false
}

// whole reports whether a wanted attribute is wanted with all of its parts.
func (p Projection) whole(path string) bool {
	if len(p.only) > 0 {
		return p.only[path] || p.onlyCore
	}
	for a := range p.without {
		if strings.HasPrefix(a, path+".") {
			return false
		}
	}
	return true
}

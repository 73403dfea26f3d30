package scim

import (
	"net/url"
	"strings"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// projection is which attributes a client asked for (RFC 7644 section 3.9), as lower-case paths: names, sub-attributes after a
// dot, attributes of an extension after its URN and a colon. The URN of a core schema stands for all of its attributes.
type projection struct {
	only, without         map[string]bool
	onlyParts             map[string]bool // what parts of are in only
	onlyCore, withoutCore bool
}

// maxPath is longer than the path of any attribute. What is as long is that of none, and has been asked for all the same: without it
// everything would be.
const maxPath = 256

func projectionOf(values url.Values) (p projection) {
	read := func(name string) (out map[string]bool, core bool) {
		out = map[string]bool{}
		for _, v := range values[name] {
			list, _ := attributeNames(name, v) // checkProjection has seen it
			for _, a := range list {
				a = strings.ToLower(strings.TrimSpace(a))
				for _, k := range []*kind{userKind, groupKind} {
					urn := strings.ToLower(k.schema.Core.ID)
					core = core || a == urn
					a = strings.TrimPrefix(a, urn+":")
				}
				if a != "" {
					out[a[:min(len(a), maxPath)]] = true
				}
			}
		}
		return out, core
	}
	p.only, p.onlyCore = read("attributes")
	p.without, p.withoutCore = read("excludedAttributes")
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

// checkProjection refuses lists of attributes that cannot be read.
func checkProjection(values url.Values) error {
	lists, _ := parameterNames()
	for _, name := range lists {
		for _, v := range values[name] {
			if _, err := attributeNames(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// attributeNames splits the text of a parameter at its commas. A filter, as in emails[type eq
// "work"].value of Microsoft's collection of requests, asks for the whole attribute: the client
// finds its element by the other sub-attributes. What is excluded takes no filter, since the whole
// attribute is more than the client means.
func attributeNames(parameter, text string) (names []string, err error) {
	if !strings.ContainsAny(text, `[]"'`) {
		return strings.Split(text, ","), nil
	}
	bad := func(wrong string) error { return badValue(parameter + ": " + wrong) }
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
		case parameter == "excludedAttributes":
			return nil, bad("takes no filter in brackets; name the whole attribute or a sub-attribute")
		}
		behind, err := filter.CutPath(rest)
		if err != nil {
			return nil, bad(err.Error())
		}
		names = append(names, rest[:bracket])
		behind, rest, more = strings.Cut(behind, ",")
		if !isBlank(behind) {
			return nil, bad("expected a comma behind a filter in brackets")
		}
	}
	return names, nil
}

// all says whether everything is asked for.
func (p projection) all() bool { return len(p.only)+len(p.without) == 0 }

// wants says whether something, or any of its parts, is asked for.
func (p projection) wants(path string) bool {
	path = strings.ToLower(path)
	extension := strings.HasPrefix(path, "urn:")
	if len(p.only) == 0 {
		return !p.without[path] && (!p.withoutCore || extension)
	}
	return p.onlyCore && !extension || p.only[path] || p.onlyParts[path]
}

// apply keeps what is asked for. The map is the caller's own; nested values are replaced, not changed.
func (p projection) apply(resource map[string]any) {
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

// part is what is asked for of a value; nil if nothing is, or nothing is left.
func (p projection) part(path string, v any) any {
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
	for _, e := range userKind.schema.Extensions {
		if strings.ToLower(e.ID) == lower {
			return true
		}
	}
	return false
}

// whole says whether a value, if it is asked for, is asked for with all its parts.
func (p projection) whole(path string) bool {
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

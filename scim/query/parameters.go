package query

import (
	"net/url"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/resource"
)

// singles lists the parameters with one value as RFC 7644 and RFC 9865 spell them.
func singles() [6]string {
	return [...]string{"filter", "startIndex", "count", "sortBy", "sortOrder", "cursor"}
}

// canonicalName returns the parameter that a client means. Clients write a name in any letter case,
// and clients in PHP put brackets behind the name of a list.
func canonicalName(given string) string {
	for _, name := range singles() {
		if strings.EqualFold(given, name) {
			return name
		}
	}
	for _, name := range resource.ProjectionParameters() {
		if len(given) < len(name) || !strings.EqualFold(given[:len(name)], name) {
			continue
		}
		if rest := given[len(name):]; rest == "" || rest[0] == '[' && rest[len(rest)-1] == ']' {
			return name
		}
	}
	return given
}

// Normalize gives every parameter of a URL its own name. It refuses a query that it cannot read
// completely: dropping a filter would answer everything.
//
// A semicolon belongs to a value (WHATWG URL). A + stays a + where the client writes blanks as %20:
// then it forgot to encode it.
func Normalize(u *url.URL) error {
	if u.RawQuery == "" {
		return nil
	}
	if strings.Contains(u.RawQuery, "%20") {
		u.RawQuery = strings.ReplaceAll(u.RawQuery, "+", "%2B")
	}
	u.RawQuery = strings.ReplaceAll(u.RawQuery, ";", "%3B")
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		e := message.InvalidValue("the query of the address cannot be read: a % must be followed by two hexadecimal digits")
		if strings.Contains(strings.ToLower(u.RawQuery), "filter=") {
			e.ScimType = scimerrors.ScimTypeInvalidFilter
		}
		return e
	}
	for name, list := range values {
		if canonicalName(name) != name || name == "filter" && slices.ContainsFunc(list, isBlank) {
			values = canonical(values)
			u.RawQuery = values.Encode()
			break
		}
	}
	return resource.CheckProjection(values)
}

// canonical returns the parameters under their own names, without an empty filter.
func canonical(values url.Values) url.Values {
	out := url.Values{}
	for given, list := range values {
		name := canonicalName(given)
		if name == "filter" {
			list = slices.DeleteFunc(slices.Clone(list), isBlank)
		}
		if len(list) > 0 {
			out[name] = append(out[name], list...)
		}
	}
	return out
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// singleValues returns the parameters with one value. It refuses a parameter with two different
// values: one of them would be ignored silently.
func singleValues(values url.Values) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range singles() {
		for _, v := range values[name] {
			v = strings.TrimSpace(v)
			if before, given := out[name]; given && before != "" && v != "" && before != v {
				return nil, badParameter(name, "given twice with different values; send it once")
			}
			if out[name] == "" {
				out[name] = v
			}
		}
	}
	return out, nil
}

// refuseUnknownFilter refuses a parameter that looks like a filter under another name, such as
// filter[] or $filter: ignoring it would answer everything.
func refuseUnknownFilter(name string) error {
	if name != "filter" && strings.Contains(strings.ToLower(name), "filter") {
		return &filter.Error{Detail: `a parameter resembles a filter but is not called "filter"; rename it`}
	}
	return nil
}

func badParameter(name, wrong string) error {
	if name == "filter" {
		return &filter.Error{Detail: name + ": " + wrong}
	}
	return message.InvalidValue(name + ": " + wrong)
}

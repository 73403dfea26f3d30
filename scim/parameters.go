package scim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// parameterNames returns the parameters of a request as RFC 7644 and RFC 9865 spell them: first the
// lists, then those with one value.
func parameterNames() (lists [2]string, scalars [6]string) {
	return [...]string{"attributes", "excludedAttributes"}, [...]string{"filter", "startIndex", "count", "sortBy", "sortOrder", "cursor"}
}

// parameterNamed returns the parameter that a client means. Clients write a name in any letter
// case, and those in PHP put brackets behind the name of a list.
func parameterNamed(given string) string {
	lists, scalars := parameterNames()
	for _, name := range scalars {
		if strings.EqualFold(given, name) {
			return name
		}
	}
	for _, name := range lists {
		if len(given) < len(name) || !strings.EqualFold(given[:len(name)], name) {
			continue
		}
		if rest := given[len(name):]; rest == "" || rest[0] == '[' && rest[len(rest)-1] == ']' {
			return name
		}
	}
	return given
}

// readableQuery refuses a query that cannot be read as a whole: a filter that is dropped would
// answer everything. A semicolon separates nothing (WHATWG URL): it belongs to the value. What
// follows finds each parameter under its own name.
func readableQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, ";", "%3B")
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		e := badValue("the query of the address cannot be read: a % must be followed by two hexadecimal digits")
		if strings.Contains(strings.ToLower(r.URL.RawQuery), "filter=") {
			return scimerrors.ScimError{Status: e.Status, ScimType: scimerrors.ScimTypeInvalidFilter, Detail: e.Detail}
		}
		return e
	}
	for name, list := range values {
		if parameterNamed(name) != name || name == "filter" && slices.ContainsFunc(list, isBlank) {
			values = canonicalParameters(values)
			r.URL.RawQuery = values.Encode()
			break
		}
	}
	return checkProjection(values)
}

// canonicalParameters gives every known parameter its own name and leaves an empty filter out.
func canonicalParameters(values url.Values) url.Values {
	out := url.Values{}
	for given, list := range values {
		name := parameterNamed(given)
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

// scalars returns the parameters that have one value. A parameter that is given with two values is
// refused: one of them would be ignored in silence.
func scalars(values url.Values) (map[string]string, error) {
	out := map[string]string{}
	_, names := parameterNames()
	for _, name := range names {
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
// filter[] or $filter: without it the answer would be everything.
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
	return badValue(name + ": " + wrong)
}

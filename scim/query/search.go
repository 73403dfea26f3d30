package query

import (
	"fmt"
	"net/url"

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/scim/value"
)

// FromSearch reads a SearchRequest (RFC 7644 section 3.4.3) and the parameters of its URL, which add
// to it: dropping a filter would answer everything. Its schemas are not checked.
func FromSearch(idp string, body value.JSON, inURL url.Values, kinds []*resource.Kind) (Query, error) {
	values := url.Values{}
	err := body.Fields(func(key, v value.JSON) error {
		if !message.Given(v) {
			return nil
		}
		name := canonicalName(key.Text())
		list, err := searchMember(name, v)
		if list != nil {
			values[name] = list
		}
		return err
	})
	if err == nil {
		err = resource.CheckProjection(values)
	}
	if err != nil {
		return Query{}, err
	}
	for name, list := range inURL {
		values[name] = append(values[name], list...)
	}
	return FromURL(idp, values, kinds)
}

// searchMember reads one member of a SearchRequest. A number may be a string, and a list may be one
// string with commas.
func searchMember(name string, v value.JSON) (list []string, err error) {
	one := func(text string, err error) ([]string, error) { return []string{text}, err }
	switch name {
	case "filter", "sortBy", "sortOrder", "cursor":
		return one(message.Text(name, v))
	case "startIndex", "count":
		return one(message.Scalar(name, "a number", v))
	case "attributes", "excludedAttributes":
		if v.IsText() {
			return one(message.Text(name, v))
		}
		if v, err = message.List(name, v); err != nil {
			return nil, err
		}
		err = v.Each(func(i int, each value.JSON) error {
			if !each.IsText() {
				return message.WrongType(fmt.Sprintf("%s[%d]", name, i), "a string", each)
			}
			list = append(list, each.Text())
			return nil
		})
		return list, err
	}
	return nil, refuseUnknownFilter(name)
}

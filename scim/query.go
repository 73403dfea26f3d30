package scim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/value"
)

// query is what a list request asks for (RFC 7644 section 3.4.2, RFC 9865).
type query struct {
	kinds        []*kind
	filter       fp.Expression    // nil: everything
	order        *filter.Ordering // nil: the order of creation
	descending   bool
	start, count int // start from 1
	paged        bool
	after        *position // paged: the page begins after it; nil: the first
	print        fingerprint
	projection   projection
}

// fingerprint tells queries apart: a cursor belongs to one.
type fingerprint [8]byte

// queryOf reads the parameters of a list. Unknown ones are ignored: Entra adds one to every address (E14).
func queryOf(idp string, values url.Values, kinds []*kind) (query, error) {
	q := query{kinds: kinds, start: 1, count: defaultPage, projection: projectionOf(values), paged: values.Has("cursor")}
	for name := range values {
		if err := refuseUnknownFilter(name); err != nil {
			return q, err
		}
	}
	asked, err := scalars(values)
	if err != nil {
		return q, err
	}
	if err := number(asked, "startIndex", &q.start, 1); err != nil {
		return q, err
	}
	if err := number(asked, "count", &q.count, 0); err != nil {
		if q.paged {
			err = scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: "invalidCount", Detail: "count: expected a whole number"}
		}
		return q, err
	}
	q.count = min(q.count, maxPage)
	if err := q.readFilter(asked["filter"]); err != nil {
		return q, err
	}
	if err := q.readOrder(asked["sortBy"], asked["sortOrder"]); err != nil {
		return q, err
	}
	sum := sha256.New()
	for _, k := range kinds {
		fmt.Fprintf(sum, "%q", k.name)
	}
	by := ""
	if q.order != nil {
		by = q.order.Path()
	}
	fmt.Fprintf(sum, "%q%q%q%t", idp, asked["filter"], by, q.descending)
	copy(q.print[:], sum.Sum(nil))
	if c := asked["cursor"]; c != "" {
		var err error
		q.after, err = readCursor(c, q)
		return q, err
	}
	return q, nil
}

// number reads a whole number; one that no int can hold is the nearest that can.
func number(asked map[string]string, name string, into *int, least int) error {
	v := asked[name]
	if v == "" {
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return badValue(name + ": expected a whole number")
	}
	*into = max(n, least)
	return nil
}

func (q *query) readFilter(text string) error {
	if text == "" {
		return nil
	}
	var err error
	if q.filter, err = filter.Parse(text); err != nil {
		return err
	}
	for _, k := range q.kinds {
		if err := q.schema(k).Validate(q.filter); err != nil {
			return err
		}
	}
	return nil
}

func (q *query) readOrder(by, direction string) error {
	if by == "" {
		return nil
	}
	order, err := q.schema(q.kinds[0]).Ordering(by)
	if err != nil {
		return badValue("sortBy: " + err.Error())
	}
	if root, _, _ := strings.Cut(order.Path(), "."); root == "groups" || root == "members" {
		return badValue("sortBy: " + root + " cannot be sorted by")
	}
	q.order = &order
	switch strings.ToLower(direction) {
	case "", "ascending":
	case "descending":
		q.descending = true
	default:
		return badValue("sortOrder: expected ascending or descending")
	}
	return nil
}

// schema is what the filter means to resources of a kind: in a query over several kinds it may name attributes of all.
func (q *query) schema(k *kind) filter.Schema {
	s := k.schema
	for _, other := range q.kinds {
		if other != k {
			s.Others = append(s.Others, other.schema)
		}
	}
	return s
}

// searchValues reads a SearchRequest (RFC 7644 section 3.4.3) as the parameters of a list. Its
// schemas are advice.
func searchValues(body value.JSON) (url.Values, error) {
	values := url.Values{}
	err := body.Fields(func(key, v value.JSON) error {
		if !given(v) {
			return nil
		}
		name := parameterNamed(key.Text())
		list, err := searchMember(name, v)
		if list != nil {
			values[name] = list
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return values, checkProjection(values)
}

// searchMember reads one member of a SearchRequest: numbers also as texts, lists also as one text
// with commas.
func searchMember(name string, v value.JSON) (list []string, err error) {
	one := func(text string, err error) ([]string, error) { return []string{text}, err }
	switch name {
	case "filter", "sortBy", "sortOrder", "cursor":
		return one(textMember(name, v))
	case "startIndex", "count":
		return one(scalarMember(name, "a number", v))
	case "attributes", "excludedAttributes":
		if v.IsText() {
			return one(textMember(name, v))
		}
		if v, err = listMember(name, v); err != nil {
			return nil, err
		}
		err = v.Each(func(i int, each value.JSON) error {
			if !each.IsText() {
				return wrongType(fmt.Sprintf("%s[%d]", name, i), "a string", each)
			}
			list = append(list, each.Text())
			return nil
		})
		return list, err
	}
	return nil, refuseUnknownFilter(name)
}

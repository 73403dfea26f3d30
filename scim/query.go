package scim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
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
	if err := number(values, "startIndex", &q.start, 1); err != nil {
		return q, err
	}
	if err := number(values, "count", &q.count, 0); err != nil {
		if q.paged {
			err = scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: "invalidCount", Detail: "count is not a whole number"}
		}
		return q, err
	}
	q.count = min(q.count, maxPage)
	if err := q.readFilter(values); err != nil {
		return q, err
	}
	if err := q.readOrder(values); err != nil {
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
	fmt.Fprintf(sum, "%q%q%q%t", idp, values.Get("filter"), by, q.descending)
	copy(q.print[:], sum.Sum(nil))
	if c := values.Get("cursor"); c != "" {
		var err error
		q.after, err = readCursor(c, q)
		return q, err
	}
	return q, nil
}

func number(values url.Values, name string, into *int, least int) error {
	v := values.Get(name)
	if v == "" {
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return badValue(name + " is not a whole number")
	}
	*into = max(n, least)
	return nil
}

func (q *query) readFilter(values url.Values) error {
	text := values.Get("filter")
	if text == "" {
		if values.Has("filter") {
			return &filter.Error{Detail: "the filter is empty"}
		}
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

func (q *query) readOrder(values url.Values) error {
	by := values.Get("sortBy")
	if by == "" {
		return nil
	}
	order, err := q.schema(q.kinds[0]).Ordering(by)
	if err != nil {
		return badValue(err.Error())
	}
	if root, _, _ := strings.Cut(order.Path(), "."); root == "groups" || root == "members" {
		return badValue("sortBy: " + root + " cannot be sorted by")
	}
	q.order = &order
	switch strings.ToLower(values.Get("sortOrder")) {
	case "", "ascending":
	case "descending":
		q.descending = true
	default:
		return badValue("sortOrder is neither ascending nor descending")
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

// searchValues reads a SearchRequest (RFC 7644 section 3.4.3) as the parameters of a list.
func searchValues(body []byte) (url.Values, error) {
	var asked struct {
		Schemas                           []string
		Attributes, ExcludedAttributes    []string
		Filter, SortBy, SortOrder, Cursor *string
		StartIndex, Count                 *json.Number
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, scimerrors.ScimErrorInvalidSyntax
	}
	const urn = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	if len(asked.Schemas) > 0 && (len(asked.Schemas) > 1 || !strings.EqualFold(asked.Schemas[0], urn)) {
		return nil, scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: scimerrors.ScimTypeInvalidSyntax, Detail: "the schemas of the body are not " + urn}
	}
	values := url.Values{"attributes": asked.Attributes, "excludedAttributes": asked.ExcludedAttributes}
	for name, v := range map[string]*string{"filter": asked.Filter, "sortBy": asked.SortBy, "sortOrder": asked.SortOrder, "cursor": asked.Cursor} {
		if v != nil {
			values.Set(name, *v)
		}
	}
	for name, v := range map[string]*json.Number{"startIndex": asked.StartIndex, "count": asked.Count} {
		if v != nil {
			values.Set(name, v.String())
		}
	}
	return values, nil
}

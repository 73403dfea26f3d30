package query

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/resource"
)

// Resources in a page.
const (
	MaxPage     = 200
	DefaultPage = 100
)

// Query is a list that a client wants.
type Query struct {
	Kinds        []*resource.Kind
	Filter       fp.Expression    // nil: everything
	Order        *filter.Ordering // nil: the order of creation
	Descending   bool
	Start, Count int // Start begins at 1
	Paged        bool
	After        *Position // paged: the page begins after it; nil: the first page
	Projection   resource.Projection

	fingerprint fingerprint
}

// fingerprint identifies a query: a cursor belongs to one.
type fingerprint [8]byte

// FromURL reads the parameters of a list. It ignores unknown ones: Entra adds one to every URL (E14
// of the wire corpus).
func FromURL(idp string, values url.Values, kinds []*resource.Kind) (Query, error) {
	q := Query{Kinds: kinds, Start: 1, Count: DefaultPage, Projection: resource.ProjectionOf(values), Paged: values.Has("cursor")}
	for name := range values {
		if err := refuseUnknownFilter(name); err != nil {
			return q, err
		}
	}
	given, err := singleValues(values)
	if err != nil {
		return q, err
	}
	if err := number(given, "startIndex", &q.Start, 1); err != nil {
		return q, err
	}
	if err := number(given, "count", &q.Count, 0); err != nil {
		if q.Paged {
			err = cursorError("invalidCount", "count: expected a whole number")
		}
		return q, err
	}
	q.Count = min(q.Count, MaxPage)
	if err := q.readFilter(given["filter"]); err != nil {
		return q, err
	}
	if err := q.readOrder(given["sortBy"], given["sortOrder"]); err != nil {
		return q, err
	}
	q.fingerprint = q.identify(idp, given["filter"])
	if c := given["cursor"]; c != "" {
		q.After, err = q.readCursor(c)
	}
	return q, err
}

// identify returns the fingerprint of a query.
func (q *Query) identify(idp, filter string) (f fingerprint) {
	sum := sha256.New()
	for _, k := range q.Kinds {
		fmt.Fprintf(sum, "%q", k.Name)
	}
	by := ""
	if q.Order != nil {
		by = q.Order.Path()
	}
	fmt.Fprintf(sum, "%q%q%q%t", idp, filter, by, q.Descending)
	copy(f[:], sum.Sum(nil))
	return f
}

// number reads a whole number; a number beyond the range of int becomes the nearest in it.
func number(given map[string]string, name string, into *int, least int) error {
	v := given[name]
	if v == "" {
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return message.InvalidValue(name + ": expected a whole number")
	}
	*into = max(n, least)
	return nil
}

func (q *Query) readFilter(text string) error {
	if text == "" {
		return nil
	}
	var err error
	if q.Filter, err = filter.Parse(text); err != nil {
		return err
	}
	for _, k := range q.Kinds {
		if err := q.Schema(k).Validate(q.Filter); err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) readOrder(by, direction string) error {
	if by == "" {
		return nil
	}
	order, err := q.Schema(q.Kinds[0]).Ordering(by)
	if err != nil {
		return message.InvalidValue("sortBy: " + err.Error())
	}
	if root, _, _ := strings.Cut(order.Path(), "."); root == "groups" || root == "members" {
		return message.InvalidValue("sortBy: " + root + " cannot be sorted by")
	}
	q.Order = &order
	switch strings.ToLower(direction) {
	case "", "ascending":
	case "descending":
		q.Descending = true
	default:
		return message.InvalidValue("sortOrder: expected ascending or descending")
	}
	return nil
}

// Schema returns the schema by which the filter reads resources of a kind. In a query over several
// kinds it may name attributes of all of them.
func (q *Query) Schema(k *resource.Kind) filter.Schema {
	s := k.Schema
	for _, other := range q.Kinds {
		if other != k {
			s.Others = append(s.Others, other.Schema)
		}
	}
	return s
}

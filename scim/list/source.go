package list

import (
	"bytes"
	"errors"
	"iter"
	"strings"

	fp "github.com/scim2/filter-parser/v2"

	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

// source reads the resources of one kind.
type source interface {
	// count returns how many there are.
	count() int
	// all lists the resources in an order of the store.
	all(from store.From) iter.Seq2[item, error]
	// read returns one resource.
	read(id string) (item, error)
	// find answers an equality from an index. ok is false if there is no index for the path.
	find(path, value string) (found []item, ok bool, err error)
	// nameIndex returns the index in the order of names, and the path that sorts by it.
	nameIndex() (path string, by store.Index)
}

// item is a user or a group on its way into a list.
type item interface {
	id() string
	name() string
	// attributes returns the resource without groups and members.
	attributes() (map[string]any, error)
	// matches evaluates the filter of the query.
	matches() (bool, error)
	write(*bytes.Buffer) error
}

// sourceOf returns the source for a kind of the query.
func (l *listing) sourceOf(k *resource.Kind) source {
	if k == resource.Users {
		return users{l, l.query.Schema(k)}
	}
	return groups{l, l.query.Schema(k)}
}

// candidates answers from an index if the filter has a term that one serves. Each candidate must
// still meet the whole filter. ok is false if there is no such term: the whole kind must be read.
func (l *listing) candidates(i int) (found []item, ok bool, err error) {
	_, l.exact = l.query.Filter.(*fp.AttributeExpression)
	urn := strings.ToLower(l.query.Kinds[i].Schema.Core.ID) + ":"
	for _, t := range filter.Equality(l.query.Filter) {
		path := strings.TrimPrefix(t.Path, urn)
		if path == "id" {
			one, err := l.sources[i].read(t.Value)
			if errors.Is(err, store.ErrNotFound) {
				return nil, true, nil
			}
			return []item{one}, true, err
		}
		if found, ok, err = l.sources[i].find(path, t.Value); ok || err != nil {
			return found, ok, err
		}
	}
	return nil, false, nil
}

package change

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// How much of a change an audit event holds, in bytes. A longer value, and every value after the
// total, is replaced by its size.
const (
	maxEventValue = 1 << 10
	maxEventTotal = 4 << 10
)

// append appends an event with the credential and the request of this change.
func (c *change) append(e store.Event) (uint64, error) {
	e.At, e.Actor, e.Token, e.Request, e.IdP, e.Detail = c.now, c.IdP, c.Token, c.ID, c.IdP, c.Method
	return c.tx.Events().Append(e)
}

// origin returns what the marks of this request record of it: the groups are those by which the mark counts.
func (c *change) origin(groups ...string) store.Origin {
	return store.Origin{Initiator: c.IdP, Token: c.Token, Request: c.ID, Groups: store.JoinGroups(groups...), At: c.now}
}

func (c *change) userEvent(event string, old, next store.User) error {
	e := store.Event{Type: event, Subject: next.ID, Name: next.UserName}
	if e.Subject == "" {
		e.Subject, e.Name = old.ID, old.UserName
	}
	var err error
	if e.Before, e.After, err = differences(old.Attributes, next.Attributes); err != nil {
		return err
	}
	_, err = c.append(e)
	return err
}

func groupEvent(event string, old, next store.Group) (store.Event, error) {
	e := store.Event{Type: event, Subject: next.ID, Name: next.DisplayName}
	if e.Subject == "" {
		e.Subject, e.Name = old.ID, old.DisplayName
	}
	var err error
	e.Before, e.After, err = differences(old.Attributes, next.Attributes)
	return e, err
}

// differences returns the attributes in which two forms of a resource differ, as JSON objects; "" if
// there are none. old is nil for a new resource, next for a deleted one.
func differences(old, next []byte) (before, after string, err error) {
	if bytes.Equal(old, next) {
		return "", "", nil
	}
	was, err := members(old)
	if err != nil {
		return "", "", err
	}
	is, err := members(next)
	if err != nil {
		return "", "", err
	}
	for name, value := range was {
		if bytes.Equal(value, is[name]) {
			delete(was, name)
			delete(is, name)
		}
	}
	return bounded(was), bounded(is), nil
}

// members returns the attributes of a stored resource, each as JSON.
func members(attributes []byte) (out map[string]json.RawMessage, err error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(attributes, &out); err != nil {
		return nil, fmt.Errorf("reading the attributes of a resource: %w", err)
	}
	return out, nil
}

// bounded returns attributes as a JSON object within the limits, in the order of their names.
func bounded(attributes map[string]json.RawMessage) string {
	if len(attributes) == 0 {
		return ""
	}
	b := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(attributes)) {
		if i > 0 {
			b = append(b, ',')
		}
		value := attributes[name]
		if len(value) > maxEventValue || len(b)+len(name)+len(value) > maxEventTotal {
			value = fmt.Appendf(nil, `"(%d bytes)"`, len(value))
		}
		quoted, _ := json.Marshal(name) // of a string: cannot fail
		b = append(append(append(b, quoted...), ':'), value...)
	}
	return string(append(b, '}'))
}

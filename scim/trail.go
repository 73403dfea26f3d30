package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// How much of a change the audit trail tells: of a value that is longer, and of what comes after that much in all, only the size.
const (
	maxToldValue = 1 << 10
	maxTold      = 4 << 10
)

// append adds what every event of a request says, and appends it.
func (c *change) append(e store.Event) (uint64, error) {
	e.At, e.Actor, e.Token, e.Request, e.IdP, e.Detail = c.now, c.call.idp, c.call.token, c.call.id, c.call.idp, c.method
	return c.tx.Events().Append(e)
}

// origin is what the marks of a request say of it.
func (c *change) origin() store.Origin {
	return store.Origin{Initiator: c.call.idp, Token: c.call.token, Request: c.call.id, At: c.now}
}

func (c *change) userEvent(kind string, old, next store.User) error {
	e := store.Event{Type: kind, Subject: next.ID, Name: next.UserName}
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

func groupEvent(kind string, old, next store.Group) (store.Event, error) {
	e := store.Event{Type: kind, Subject: next.ID, Name: next.DisplayName}
	if e.Subject == "" {
		e.Subject, e.Name = old.ID, old.DisplayName
	}
	var err error
	e.Before, e.After, err = differences(old.Attributes, next.Attributes)
	return e, err
}

// differences are the attributes that two forms of a resource do not share, as JSON objects; "" where nothing is left to tell. Either may
// be nil: the resource is new, or gone.
func differences(old, next []byte) (before, after string, err error) {
	if bytes.Equal(old, next) {
		return "", "", nil
	}
	var was, is map[string]json.RawMessage
	for _, one := range []struct {
		from []byte
		to   *map[string]json.RawMessage
	}{{old, &was}, {next, &is}} {
		if len(one.from) == 0 {
			continue
		}
		if err := json.Unmarshal(one.from, one.to); err != nil {
			return "", "", fmt.Errorf("reading the attributes of a resource: %w", err)
		}
	}
	for name, value := range was {
		if bytes.Equal(value, is[name]) {
			delete(was, name)
			delete(is, name)
		}
	}
	return told(was), told(is), nil
}

// told writes attributes within the limits, in the order of their names.
func told(attributes map[string]json.RawMessage) string {
	if len(attributes) == 0 {
		return ""
	}
	b := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(attributes)) {
		if i > 0 {
			b = append(b, ',')
		}
		value := attributes[name]
		if len(value) > maxToldValue || len(b)+len(name)+len(value) > maxTold {
			value = fmt.Appendf(nil, `"(%d bytes)"`, len(value))
		}
		quoted, _ := json.Marshal(name) // of a text: cannot fail
		b = append(append(append(b, quoted...), ':'), value...)
	}
	return string(append(b, '}'))
}

package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/store"
)

// UserFrom returns a user with the attributes of a request. A request without `active` leaves it as
// it is.
func UserFrom(before store.User, attrs map[string]any) (store.User, error) {
	u := before
	values := append([]string{before.UserName, before.ExternalID}, before.Emails...)
	u.UserName, u.ExternalID = text(attrs, "userName"), text(attrs, "externalId")
	if strings.TrimSpace(u.UserName) == "" {
		return u, message.InvalidValue("userName: expected a string that is not blank")
	}
	if active, ok := attrs["active"].(bool); ok {
		u.Active = active
	}
	attrs["active"] = u.Active
	u.Emails = emails(attrs["emails"])
	if err := errors.Join(
		checkIdentifiers("userName", values, u.UserName),
		checkIdentifiers("externalId", values, u.ExternalID),
		checkIdentifiers("emails.value", values, u.Emails...)); err != nil {
		return u, err
	}
	if u.ID != "" {
		u.Original = OriginalOf(before, u)
	}
	unassign(attrs, "id", "meta", "schemas", "groups", "password")
	var err error
	if u.Attributes, err = json.Marshal(attrs); err != nil {
		return u, fmt.Errorf("storing a user: %w", err)
	}
	return u, checkSize(u.Attributes)
}

// GroupFrom returns a group with the attributes of a request. Members are stored as rows: see
// package change.
func GroupFrom(g store.Group, attrs map[string]any) (store.Group, error) {
	values := []string{g.DisplayName, g.ExternalID}
	g.DisplayName, g.ExternalID = text(attrs, "displayName"), text(attrs, "externalId")
	if strings.TrimSpace(g.DisplayName) == "" {
		return g, message.InvalidValue("displayName: expected a string that is not blank")
	}
	if err := errors.Join(
		checkIdentifiers("displayName", values, g.DisplayName),
		checkIdentifiers("externalId", values, g.ExternalID)); err != nil {
		return g, err
	}
	unassign(attrs, "id", "meta", "schemas", "members")
	var err error
	if g.Attributes, err = json.Marshal(attrs); err != nil {
		return g, fmt.Errorf("storing a group: %w", err)
	}
	return g, checkSize(g.Attributes)
}

// Attributes returns the stored attributes of a resource.
func Attributes(stored json.RawMessage) (map[string]any, error) {
	out := map[string]any{}
	if err := json.Unmarshal(stored, &out); err != nil {
		return nil, fmt.Errorf("reading stored attributes: %w", err)
	}
	return out, nil
}

// identity lists the values by which a user may be found at a vendor: see store.User.Original.
func identity(u store.User) []string {
	primary := ""
	if len(u.Emails) > 0 {
		primary = u.Emails[0]
	}
	return []string{u.UserName, primary, u.ExternalID}
}

// OriginalOf returns the first identifying values of a user, which are stored once one of them
// changes.
func OriginalOf(before, after store.User) []string {
	values := identity(before)
	same := slices.EqualFunc(values, identity(after), func(a, b string) bool {
		return store.Fold(a) == store.Fold(b)
	})
	if before.Original != nil || same {
		return before.Original
	}
	return values
}

// checkSize refuses a resource that several requests together made larger than one request may.
func checkSize(attributes []byte) error {
	if len(attributes) > maxUserBody {
		return message.TooLarge(fmt.Sprintf("the resource would have more than %d bytes", maxUserBody))
	}
	return nil
}

// unassign removes attributes by name, and every value that means "unassigned": null, an empty list
// (RFC 7643 section 2.5), and as in a PATCH an empty string or object.
func unassign(attrs map[string]any, names ...string) {
	for _, n := range names {
		delete(attrs, n)
	}
	assigned(attrs)
}

// assigned returns a value without its unassigned parts; nil if no part is left.
func assigned(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
	case map[string]any:
		for name, part := range v {
			if part = assigned(part); part == nil {
				delete(v, name)
			} else {
				v[name] = part
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		rest := make([]any, 0, len(v))
		for _, e := range v {
			if e = assigned(e); e != nil {
				rest = append(rest, e)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		return rest
	case []map[string]any:
		rest := make([]map[string]any, 0, len(v))
		for _, e := range v {
			if assigned(e) != nil {
				rest = append(rest, e)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		return rest
	}
	return v
}

func text(attrs map[string]any, name string) string {
	s, _ := attrs[name].(string)
	return s
}

// emails lists the addresses, the primary one first.
func emails(v any) []string {
	var list []any
	switch v := v.(type) {
	case []any:
		list = v
	case []map[string]any:
		for _, e := range v {
			list = append(list, e)
		}
	case map[string]any: // the library accepts a single object for a list
		list = []any{v}
	}
	var out []string
	for _, e := range list {
		m, _ := e.(map[string]any)
		address := text(m, "value")
		if address == "" {
			continue
		}
		if primary, _ := m["primary"].(bool); primary {
			out = append([]string{address}, out...)
		} else {
			out = append(out, address)
		}
	}
	return out
}

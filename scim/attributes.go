package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/scimbridge/scimbridge/store"
)

// identity lists the values by which a user may be found at a vendor: see store.User.Original.
func identity(u store.User) []string {
	primary := ""
	if len(u.Emails) > 0 {
		primary = u.Emails[0]
	}
	return []string{u.UserName, primary, u.ExternalID}
}

// originalOf returns what is to be kept of the values that a user had first.
func originalOf(before, after store.User) []string {
	was := identity(before)
	same := slices.EqualFunc(was, identity(after), func(a, b string) bool { return store.Fold(a) == store.Fold(b) })
	if before.Original != nil || same {
		return before.Original
	}
	return was
}

// userFrom fills the typed fields of a user from its attributes. A missing `active` keeps what is given.
func userFrom(u store.User, attrs map[string]any) (store.User, error) {
	before := u
	was := append([]string{before.UserName, before.ExternalID}, before.Emails...)
	u.UserName, u.ExternalID = text(attrs, "userName"), text(attrs, "externalId")
	if strings.TrimSpace(u.UserName) == "" {
		return u, badValue("userName: expected a string that is not blank")
	}
	if active, ok := attrs["active"].(bool); ok {
		u.Active = active
	}
	attrs["active"] = u.Active
	u.Emails = emails(attrs["emails"])
	if err := errors.Join(identifiers("userName", was, u.UserName), identifiers("externalId", was, u.ExternalID), identifiers("emails.value", was, u.Emails...)); err != nil {
		return u, err
	}
	if u.ID != "" {
		u.Original = originalOf(before, u)
	}
	unassign(attrs, "id", "meta", "schemas", "groups", "password")
	var err error
	if u.Attributes, err = json.Marshal(attrs); err != nil {
		return u, fmt.Errorf("keeping a user: %w", err)
	}
	return u, notTooLarge(u.Attributes)
}

func groupFrom(g store.Group, attrs map[string]any) (store.Group, error) {
	was := []string{g.DisplayName, g.ExternalID}
	g.DisplayName, g.ExternalID = text(attrs, "displayName"), text(attrs, "externalId")
	if strings.TrimSpace(g.DisplayName) == "" {
		return g, badValue("displayName: expected a string that is not blank")
	}
	if err := errors.Join(identifiers("displayName", was, g.DisplayName), identifiers("externalId", was, g.ExternalID)); err != nil {
		return g, err
	}
	unassign(attrs, "id", "meta", "schemas", "members")
	var err error
	if g.Attributes, err = json.Marshal(attrs); err != nil {
		return g, fmt.Errorf("keeping a group: %w", err)
	}
	return g, notTooLarge(g.Attributes)
}

// notTooLarge refuses a resource that grew, over several requests, beyond what a client could send as a whole.
func notTooLarge(attributes []byte) error {
	if len(attributes) > maxUserBody {
		return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the resource would have more than %d bytes", maxUserBody)}
	}
	return nil
}

// unassign drops what is kept elsewhere or not at all, and what has no value: null and an empty list mean "unassigned"
// (RFC 7643 section 2.5), and so does an empty text or object, as in a PATCH.
func unassign(attrs map[string]any, names ...string) {
	for _, n := range names {
		delete(attrs, n)
	}
	assigned(attrs)
}

// assigned is what is left of a value without the parts that have none; nil if nothing is.
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
		kept := make([]any, 0, len(v))
		for _, e := range v {
			if e = assigned(e); e != nil {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []map[string]any:
		kept := make([]map[string]any, 0, len(v))
		for _, e := range v {
			if assigned(e) != nil {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
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
	case map[string]any: // the library lets a single object pass for a list
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

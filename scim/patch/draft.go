package patch

import (
	"encoding/json"

	"github.com/scimbridge/scimbridge/scim/filter"
)

// draft collects changes apart from the attributes until all operations have succeeded.
type draft struct {
	from map[string]any
	to   map[string]any // changed top-level values, copies of those in from; nil for a removed one
}

// top returns the copy of a top-level value, which may be changed.
func (d *draft) top(name string) any {
	v, touched := d.to[name]
	if !touched {
		v = clone(d.from[name])
		d.to[name] = v
	}
	return v
}

// get returns the value of a, which may be changed.
func (d *draft) get(a filter.Attribute) any {
	if a.URN == "" {
		return d.top(a.Name)
	}
	extension, _ := d.top(a.URN).(map[string]any)
	return extension[a.Name]
}

// set sets the value of a; nil unassigns it. It removes an extension without attributes.
func (d *draft) set(a filter.Attribute, v any) {
	if a.URN == "" {
		d.to[a.Name] = v
		return
	}
	extension, _ := d.top(a.URN).(map[string]any)
	if extension == nil {
		extension = map[string]any{}
	}
	if v == nil {
		delete(extension, a.Name)
	} else {
		extension[a.Name] = v
	}
	if len(extension) == 0 {
		d.to[a.URN] = nil
	} else {
		d.to[a.URN] = extension
	}
}

// commit moves the differences into the attributes and reports whether there are any.
func (d *draft) commit() (changed bool) {
	for name, v := range d.to {
		if same(unassigned(d.from[name]), v) {
			continue
		}
		changed = true
		if v == nil {
			delete(d.from, name)
		} else {
			d.from[name] = v
		}
	}
	return changed
}

// unassigned returns nil for an empty list or object: RFC 7643 section 2.5 calls them the same.
func unassigned(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return nil
		}
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

// clone copies a JSON value deeply; lists of any element type become []any.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, inner := range v {
			c[k] = clone(inner)
		}
		return c
	case []any, []map[string]any, []string:
		list := filter.Elements(v)
		c := make([]any, len(list))
		for i, inner := range list {
			c[i] = clone(inner)
		}
		return c
	}
	return v
}

// same compares JSON values; numbers by their amount, of any Go type.
func same(x, y any) bool {
	switch x := x.(type) {
	case map[string]any:
		my, ok := y.(map[string]any)
		if !ok || len(x) != len(my) {
			return false
		}
		for k, v := range x {
			w, ok := my[k]
			if !ok || !same(v, w) {
				return false
			}
		}
		return true
	case []any, []map[string]any, []string:
		lx, ly := filter.Elements(x), filter.Elements(y)
		if _, single := y.(map[string]any); single || len(lx) != len(ly) {
			return false
		}
		for i := range lx {
			if !same(lx[i], ly[i]) {
				return false
			}
		}
		return true
	case string, bool, nil:
		return x == y
	}
	nx, okx := amount(x)
	ny, oky := amount(y)
	return okx && oky && nx == ny
}

func amount(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

package change

import (
	"slices"
	"testing"
)

func TestDelta(t *testing.T) {
	for name, c := range map[string]struct {
		steps          []step
		added, removed []string
	}{
		"no operation":                 {},
		"one operation":                {[]step{{[]string{"a"}, []string{"b"}}}, []string{"a"}, []string{"b"}},
		"added and removed again":      {[]step{{added: []string{"a"}}, {removed: []string{"a"}}}, nil, nil},
		"removed and added again":      {[]step{{removed: []string{"a"}}, {added: []string{"a"}}}, nil, nil},
		"added, removed and added":     {[]step{{added: []string{"a"}}, {removed: []string{"a"}}, {added: []string{"a"}}}, []string{"a"}, nil},
		"several values, in the order": {[]step{{added: []string{"b"}}, {added: []string{"a"}}, {removed: []string{"c"}}}, []string{"b", "a"}, []string{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			var d delta
			for _, s := range c.steps {
				d.add(s.added, s.removed)
			}
			added, removed := d.net()
			if !slices.Equal(added, c.added) || !slices.Equal(removed, c.removed) {
				t.Errorf("added %v, removed %v", added, removed)
			}
		})
	}
}

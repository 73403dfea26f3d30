package bulk

import "testing"

func TestReplaceReferences(t *testing.T) {
	id := func(name string) string { return "<" + name + ">" }
	for name, c := range map[string]struct{ data, want string }{
		"a value":                  {`{"value":"bulkId:u1"}`, `{"value":"\u003cu1\u003e"}`},
		"an escaped value":         {`{"value":"bulk\u0049d:u1"}`, `{"value":"\u003cu1\u003e"}`},
		"a filter in a path":       {`{"path":"members[value eq \"bulkId:u1\"]"}`, `{"path":"members[value eq \"\u003cu1\u003e\"]"}`},
		"a filter without quotes":  {`{"path":"members[value eq bulkId:u1]"}`, `{"path":"members[value eq \u003cu1\u003e]"}`},
		"a text that only says it": {`{"title":"see bulkId:u1"}`, `{"title":"see bulkId:u1"}`},
		"no reference":             {`{"title":"x"}`, `{"title":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(replaceReferences([]byte(c.data), id)); got != c.want {
				t.Errorf("%s becomes %s, want %s", c.data, got, c.want)
			}
		})
	}
}

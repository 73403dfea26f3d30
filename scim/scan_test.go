package scim

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// accepted says by the tokens of encoding/json what scanJSON has to accept.
func accepted(body []byte, depth int) bool {
	if !utf8.Valid(body) || !json.Valid(body) {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	level := 0
	for {
		t, err := dec.Token()
		if err != nil {
			break
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if level++; level > depth {
				return false
			}
		case json.Delim('}'), json.Delim(']'):
			level--
		}
	}
	dec = json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		t, _ := dec.Token()
		name, _ := t.(string)
		if seen[strings.ToLower(name)] {
			return false
		}
		seen[strings.ToLower(name)] = true
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return false
		}
	}
	return true
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"a":1} `, `{"a":1}x`, `{"a":1}{}`, `[]`, `null`, `"a"`, ``, ` `, `{"a":1,"A":2}`, "{}\v", "\u00a0{}", `{"a":{"b":1,"b":2}}`, `{"a":["x","x"],"b":"a"}`,
		`{"a\u0062":1,"AB":2}`, `{"a":"\\","b":"}"}`, `{"a":"\"","a":1}`, `{"a":[[[[1]]]]}`, `{"a":[[[[[1]]]]]}`, "{\"a\":\"\xff\"}", `{"a":1,}`, `{"a"`, `{"a\`, `{"K":1,"K":2}`,
		`{"a":{"c":1},"b":{"c":1}}`, `{"a":"b:c,d","b":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := scanJSON(body, 5); (err == nil) != accepted(body, 5) {
			t.Errorf("%q: %v", body, err)
		}
	})
}

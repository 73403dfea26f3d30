package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
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
	t, err := dec.Token()
	return err == nil && t == json.Delim('{') && distinctIn(dec, t)
}

// distinctIn says whether no object in what opens with t has two keys that strings.EqualFold calls equal, as encoding/json does.
func distinctIn(dec *json.Decoder, opening json.Token) bool {
	var keys []string
	for dec.More() {
		t, _ := dec.Token()
		if opening == json.Delim('{') {
			key, _ := t.(string)
			if slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
				return false
			}
			keys = append(keys, key)
			t, _ = dec.Token()
		}
		if (t == json.Delim('{') || t == json.Delim('[')) && !distinctIn(dec, t) {
			return false
		}
	}
	_, err := dec.Token()
	return err == nil
}

// manyKeys is an object with more keys than are compared each with each.
func manyKeys(more ...string) string {
	s := "{"
	for i := range fewKeys {
		s += fmt.Sprintf(`"k%d":%d,`, i, i)
	}
	for _, key := range more {
		s += `"` + key + `":null,`
	}
	return strings.TrimSuffix(s, ",") + "}"
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"a":1} `, `{"a":1}x`, `{"a":1}{}`, `[]`, `null`, `"a"`, ``, ` `, `{"a":1,"A":2}`, "{}\v", "\u00a0{}", `{"a":{"b":1,"b":2}}`, `{"a":["x","x"],"b":"a"}`,
		`{"a\u0062":1,"AB":2}`, `{"a":"\\","b":"}"}`, `{"a":"\"","a":1}`, `{"a":[[[[1]]]]}`, `{"a":[[[[[1]]]]]}`, "{\"a\":\"\xff\"}", `{"a":1,}`, `{"a"`, `{"a\`, `{"K":1,"K":2}`,
		`{"a":{"c":1},"b":{"c":1}}`, `{"a":"b:c,d","b":1}`, `{"a":[{"b":1},{"b":1,"B":2}]}`, `{"s":1,"ſ":2}`, "{\"k\":1,\"\u212a\":2}", "{\"i\":1,\"\u0130\":2}", `{"a":"x" , "b":{"a" :1}}`,
		manyKeys("s", "ſ"), manyKeys("i", "İ"), manyKeys("a\\u0062", "AB"), `{"a":{"b":` + manyKeys("x", "y") + `,"x":1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := scanJSON(body, 5); (err == nil) != accepted(body, 5) {
			t.Errorf("%q: %v", body, err)
		}
	})
}

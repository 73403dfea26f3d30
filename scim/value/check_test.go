package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// accepted says by the tokens of encoding/json what Parse must accept.
func accepted(body []byte, depth int) bool {
	if !utf8.Valid(body) || !json.Valid(body) {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a number may be larger than a float
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
	dec.UseNumber()
	t, err := dec.Token()
	if t != json.Delim('{') && t != json.Delim('[') {
		return err == nil
	}
	return distinctIn(dec, t)
}

// distinctIn reports whether no object in what opens with t has two keys that strings.EqualFold
// calls equal, as encoding/json does.
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

// FuzzParse holds the checker to encoding/json, and what is read of a value to what encoding/json
// reads.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`1`, `1e700`, `[1e700]`, `-0.1e+5`, `01`, `1.`, `.5`, `-`, `1e`, `true`, `nul`, `"\\ud800"`, `"\\x"`, `"\\u12g4"`, "\"\x01\"", `{}`, ` {"a":1} `, `{"a":1}x`, `{"a":1}{}`, `[]`, `null`, `"a"`, ``, ` `, `{"a":1,"A":2}`, "{}\v", "\u00a0{}", `{"a":{"b":1,"b":2}}`, `{"a":["x","x"],"b":"a"}`,
		`{"a\u0062":1,"AB":2}`, `{"a":"\\","b":"}"}`, `{"a":"\"","a":1}`, `{"a":[[[[1]]]]}`, `{"a":[[[[[1]]]]]}`, "{\"a\":\"\xff\"}", `{"a":1,}`, `{"a"`, `{"a\`, `{"K":1,"K":2}`,
		`{"a":{"c":1},"b":{"c":1}}`, `{"a":"b:c,d","b":1}`, `{"a":[{"b":1},{"b":1,"B":2}]}`, `{"s":1,"ſ":2}`, "{\"k\":1,\"\u212a\":2}", "{\"i\":1,\"\u0130\":2}", `{"a":"x" , "b":{"a" :1}}`,
		manyKeys("s", "ſ"), manyKeys("i", "İ"), manyKeys("a\\u0062", "AB"), `{"a":{"b":` + manyKeys("x", "y") + `,"x":1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := Parse(body, 5)
		if (err == nil) != accepted(body, 5) {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		var want any
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := decode(v); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: read %#v, want %#v", body, got, want)
		}
	})
}

// decode reads a value through the methods of JSON, into the types of encoding/json.
func decode(v JSON) any {
	switch {
	case v.IsNull():
		return nil
	case v.IsText():
		return v.Text()
	case v.IsBool():
		return v[0] == 't'
	case v.IsList():
		list := []any{}
		_ = v.Each(func(_ int, one JSON) error { list = append(list, decode(one)); return nil })
		return list
	case v.IsObject():
		object := map[string]any{}
		_ = v.Fields(func(key, inner JSON) error { object[key.Text()] = decode(inner); return nil })
		return object
	}
	return json.Number(v)
}

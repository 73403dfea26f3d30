package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxExpanded bounds how many nodes aliases may stand for: an alias of aliases can stand for billions.
const maxExpanded = 100_000

// decoder fills values from YAML nodes. It records each mistake with its key and line and goes on, so
// that every mistake is found at once. A value with a mistake keeps its default.
type decoder struct {
	problems  []problem
	path      []string
	within    int        // how many aliases are being followed
	outermost *yaml.Node // the first of these
	expanded  int        // nodes below aliases so far
}

// scalar is a value that a text stands for.
type scalar interface {
	parse(text string) bool // false: the text is wrong
	wrong() string          // says what the text should be
}

// short is a list or a block of keys for which a text may stand.
type short interface{ parseShort(text string) }

// defaulted is a value whose defaults are not those of Default: an entry of a map.
type defaulted interface{ setDefaults() }

// bad records a mistake in the value of the current key.
func (d *decoder) bad(n *yaml.Node, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(d.path) > 0 {
		text = strings.Join(d.path, ".") + ": " + text
	}
	d.problems = append(d.problems, problem{line: max(1, n.Line), text: fmt.Sprintf("line %d: %s", max(1, n.Line), text)})
}

// in decodes the value of a key or an element.
func (d *decoder) in(key string, n *yaml.Node, into reflect.Value) {
	d.path = append(d.path, key)
	d.decode(n, into)
	d.path = d.path[:len(d.path)-1]
}

// decode fills a value from a node.
func (d *decoder) decode(n *yaml.Node, into reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.follow(n, into)
		return
	}
	if d.within > 0 {
		d.expanded++
	}
	if into.Kind() == reflect.Pointer {
		if isNull(n) {
			return
		}
		value, before := reflect.New(into.Type().Elem()), len(d.problems)
		d.decode(n, value.Elem())
		if len(d.problems) == before || value.Elem().Kind() == reflect.Struct { // else as if it were not given
			into.Set(value)
		}
		return
	}
	value := into.Addr().Interface()
	if v, ok := value.(defaulted); ok {
		v.setDefaults()
	}
	if isNull(n) {
		return
	}
	if v, ok := value.(short); ok && n.Kind == yaml.ScalarNode {
		if d.untagged(n) {
			v.parseShort(n.Value)
		}
		return
	}
	if v, ok := value.(scalar); ok {
		if n.Kind != yaml.ScalarNode || d.untagged(n) && !v.parse(n.Value) {
			d.bad(n, "%s", v.wrong())
		}
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.object(n, into)
	case reflect.Map:
		d.entries(n, into)
	case reflect.Slice:
		d.list(n, into)
	default:
		d.plain(n, into)
	}
}

// follow decodes what an alias stands for. An anchor that contains itself has an end, because types do.
func (d *decoder) follow(n *yaml.Node, into reflect.Value) {
	if d.expanded >= maxExpanded {
		return // the caller reports it
	}
	if d.within == 0 {
		d.outermost = n
	}
	d.within++
	d.decode(n.Alias, into)
	d.within--
}

// untagged reports whether a text has no tag of its own, which would make it something else.
func (d *decoder) untagged(n *yaml.Node) bool {
	if n.Style&yaml.TaggedStyle == 0 || n.ShortTag() == "!!str" {
		return true
	}
	d.bad(n, "is a value with a tag (!); put a value that begins with ! in quotation marks")
	return false
}

// plain reads a text, a whole number, or true or false.
func (d *decoder) plain(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.wrongKind(n, into)
		return
	}
	if into.Kind() == reflect.String {
		if d.untagged(n) {
			into.SetString(n.Value)
		}
		return
	}
	v := reflect.New(into.Type())
	if n.Decode(v.Interface()) != nil {
		d.wrongKind(n, into)
		return
	}
	into.Set(v.Elem())
}

// object reads a block of keys into the fields of a struct.
func (d *decoder) object(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wrongKind(n, into)
		return
	}
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(into.Type()) {
		if name := f.Tag.Get("yaml"); name != "" && name != "-" && !f.Anonymous { // the fields of an embedded struct are visible
			fields[name] = f
		}
	}
	for key, value := range d.keys(n) {
		if f, known := fields[key.Value]; known {
			d.in(key.Value, value, into.FieldByIndex(f.Index))
			continue
		}
		d.problems = append(d.problems, unknownKey(key, fields))
	}
}

// entries reads a block of keys into a map.
func (d *decoder) entries(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wrongKind(n, into)
		return
	}
	all := reflect.MakeMap(into.Type())
	for key, value := range d.keys(n) {
		v := reflect.New(into.Type().Elem()).Elem()
		d.in(key.Value, value, v)
		all.SetMapIndex(reflect.ValueOf(key.Value), v)
	}
	into.Set(all)
}

// list reads a list into a slice.
func (d *decoder) list(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.wrongKind(n, into)
		return
	}
	all := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		d.in(strconv.Itoa(i), element, all.Index(i))
	}
	into.Set(all)
}

// keys ranges over the keys of a block and their values, without those that stand there twice.
func (d *decoder) keys(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			line, twice := first[key.Value]
			switch {
			case key.Kind != yaml.ScalarNode:
				d.bad(key, "a key is not a text")
			case twice:
				d.bad(key, "a key is given twice here, and first on line %d", line)
			default:
				first[key.Value] = key.Line
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// wrongKind records that a node is not what a value needs. It never repeats the value.
func (d *decoder) wrongKind(n *yaml.Node, into reflect.Value) {
	is := map[string]string{"!!str": "a text", "!!int": "a number", "!!seq": "a list", "!!map": "a block of keys", "!!bool": "true or false",
		"!!float": "a number", "!!null": "empty", "!!timestamp": "a date"}[n.ShortTag()]
	if is == "" {
		is = "a value with a tag (!)"
	}
	should := map[reflect.Kind]string{reflect.Slice: "a list", reflect.Int: "a whole number", reflect.Bool: "true or false", reflect.String: "a text",
		reflect.Map: "a block of keys", reflect.Struct: "a block of keys"}[into.Kind()]
	d.bad(n, "is %s, should be %s", is, should)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

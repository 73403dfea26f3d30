package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestReferenceOfConfiguration holds docs/reference/configuration.md and docs/mapping/reference.md to
// the configuration: they have a row for each key, and each of their rows is a key.
func TestReferenceOfConfiguration(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, of := range map[string]reflect.Type{
		"server": reflect.TypeFor[Server](), "console": reflect.TypeFor[Console](), "store": reflect.TypeFor[Store](),
		"audit": reflect.TypeFor[Audit](), "operators": reflect.TypeFor[Operators](), "notify": reflect.TypeFor[Channel](), "identity_providers": reflect.TypeFor[IdentityProvider](), "backends": reflect.TypeFor[Backend](),
	} {
		_, text, found := strings.Cut(string(page), "\n## "+section+"\n")
		if !found {
			t.Errorf("no section %s", section)
		}
		text, _, _ = strings.Cut(text, "\n## ")
		compareKeys(t, section, keysOf(of), rowsOf(text))
	}
	page, err = os.ReadFile("../../docs/mapping/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	compareKeys(t, "mappings", keysOf(reflect.TypeFor[Rule]()), rowsOf(string(page)))
}

// compareKeys reports the keys without a row, and the rows without a key.
func compareKeys(t *testing.T, section string, keys, rows []string) {
	t.Helper()
	covers := func(key, row string) bool {
		return key == row || strings.HasPrefix(key, row+".") || strings.HasPrefix(row, key+".")
	}
	missing := func(from, among []string, what string) {
		for _, one := range from {
			found := false
			for _, other := range among {
				found = found || covers(one, other)
			}
			if !found {
				t.Errorf("%s: %s %s", section, what, one)
			}
		}
	}
	missing(keys, rows, "no row for")
	missing(rows, keys, "no such key:")
}

// keysOf returns the keys of a part of the configuration. Keys of server are complete paths; elsewhere
// one row describes a key with what is below it.
func keysOf(of reflect.Type) (out []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			out = append(out, keysOf(f.Type)...)
		case key == "" || key == "-":
		case of == reflect.TypeFor[Server]() && f.Type.Kind() == reflect.Struct:
			for _, below := range keysOf(f.Type) {
				out = append(out, key+"."+below)
			}
		default:
			out = append(out, key)
		}
	}
	return out
}

// rowsOf returns the keys in the first columns of the tables of a text.
func rowsOf(text string) (out []string) {
	key := regexp.MustCompile("`([a-z_.]+)`")
	for _, line := range strings.Split(text, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 2 && strings.HasPrefix(line, "| `") {
			for _, m := range key.FindAllStringSubmatch(cells[1], -1) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

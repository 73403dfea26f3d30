package console

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits of names that a client may choose freely, for each identity provider.
const (
	maxIgnored     = 50 // names
	maxIgnoredName = 60 // bytes
)

// Ignored counts the attributes of requests that had no effect because the schemas do not know
// them: since the start, by name, never with a value. The zero value is ready; its methods may be
// called concurrently.
type Ignored struct {
	mu  sync.Mutex
	idp map[string]map[string]int64
}

// IgnoredAttribute is a name and how often it was ignored.
type IgnoredAttribute struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Note counts names. If there are too many, a new name replaces the rarest and starts at one.
func (i *Ignored) Note(idp string, names []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.idp == nil {
		i.idp = map[string]map[string]int64{}
	}
	of := i.idp[idp]
	if of == nil {
		of = map[string]int64{}
		i.idp[idp] = of
	}
	for _, name := range names {
		name = nameOnly(name)
		if _, known := of[name]; !known && len(of) >= maxIgnored {
			rarest := slices.MinFunc(slices.Collect(maps.Keys(of)), func(a, b string) int { return cmp.Or(cmp.Compare(of[a], of[b]), cmp.Compare(a, b)) })
			delete(of, rarest)
		}
		of[name]++
	}
}

// byCount lists the names of an identity provider, the most frequent first.
func (i *Ignored) byCount(idp string) []IgnoredAttribute {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []IgnoredAttribute
	for name, n := range i.idp[idp] {
		out = append(out, IgnoredAttribute{name, n})
	}
	slices.SortFunc(out, func(a, b IgnoredAttribute) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// nameOnly makes a name printable and short. It removes the filter of a path, which holds values.
func nameOnly(path string) string {
	if from := strings.IndexByte(path, '['); from >= 0 {
		rest := ""
		if to := strings.LastIndexByte(path, ']'); to > from {
			rest = path[to+1:]
		}
		path = path[:from] + "[…]" + rest
	}
	var b strings.Builder
	for i := 0; i < len(path); {
		r, size := utf8.DecodeRuneInString(path[i:])
		part := path[i : i+size]
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			part = strings.Trim(strconv.QuoteToASCII(part), `"`)
		}
		if b.Len()+len(part) > maxIgnoredName-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteString(part)
		i += size
	}
	return b.String()
}

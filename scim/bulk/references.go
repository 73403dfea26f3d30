package bulk

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/scimbridge/scimbridge/scim/value"
)

// jsonString matches a string of a JSON text, as it is written.
var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// reference matches a mention, within a text, of something that another operation creates: a string
// of a JSON text, or a value in a filter, in quotes of either kind or in none.
var reference = regexp.MustCompile(`"bulkId:((?:[^"\\]|\\u[0-9A-Fa-f]{4})+)"|((?i: (?:eq|ne|co|sw|ew|gt|ge|lt|le) +)'?)bulkId:([^ '"()\[\]\\]+)`)

// pathReference matches a path that ends in a reference, with what precedes the bulkId.
var pathReference = regexp.MustCompile(`(?s)^([^?]*/)bulkId(?::|%3[Aa])(.+)$`)

// replaceReferences replaces the bulkIds that data mentions. A client may write any character of a
// string as \u and four digits.
func replaceReferences(data []byte, id func(name string) string) []byte {
	if !bytes.Contains(data, []byte("bulkId:")) && !bytes.Contains(data, []byte(`\u00`)) {
		return data
	}
	return jsonString.ReplaceAllFunc(data, func(written []byte) []byte {
		if !bytes.Contains(written, []byte("bulkId:")) && !bytes.ContainsRune(written, '\\') {
			return written
		}
		text := value.JSON(written).Text()
		if !strings.Contains(text, "bulkId:") {
			return written
		}
		resolved, err := json.Marshal(withIDs(text, id))
		if err != nil {
			return written
		}
		return resolved
	})
}

// withIDs returns a string with its references replaced by ids.
func withIDs(text string, id func(name string) string) string {
	if name, all := strings.CutPrefix(text, "bulkId:"); all {
		return id(name)
	}
	return reference.ReplaceAllStringFunc(text, func(mention string) string {
		part := reference.FindStringSubmatch(mention)
		if part[3] != "" {
			return part[2] + id(part[3])
		}
		return `"` + id(value.JSON(`"`+part[1]+`"`).Text()) + `"`
	})
}

// referenceOf returns the bulkId that a path refers to: as it is written, or else escaped, or with a
// slash or a query behind it.
func (b *run) referenceOf(op *operation) string {
	if _, known := b.posts[op.reference]; known {
		return op.reference
	}
	var name string
	name, op.query, _ = strings.Cut(op.reference, "?")
	name = strings.TrimRight(name, "/")
	if _, known := b.posts[name]; !known {
		if decoded, err := url.PathUnescape(name); err == nil {
			return decoded
		}
	}
	return name
}

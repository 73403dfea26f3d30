package scim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"

	scimerrors "github.com/elimity-com/scim/errors"
)

// position is the last resource of a page. What it says is enough to go on after it, whether it still exists or not: pages
// need no memory on the server, and no cursor ends by time.
type position struct {
	Kind    int    `json:"t,omitempty"` // which of the query's kinds
	Place   uint64 `json:"p,omitempty"` // in the order of creation
	Name    string `json:"n,omitempty"` // in the order of names
	Key     []byte `json:"k,omitempty"` // in any other order
	Missing bool   `json:"m,omitempty"` // it has no value in that order
	ID      string `json:"i,omitempty"`
	Count   int    `json:"c"` // of the pages
}

// cursorVersion is the form of a cursor. One of another form was made by another version of the bridge.
const cursorVersion = 1

// cursor writes a position: form, query, position, checksum, in the characters that RFC 9865 section 2 allows. It
// authorises nothing: whoever changes it gets another page of what they may read.
func (q query) cursor(p position) (string, error) {
	p.Count = q.count
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("writing a cursor: %w", err)
	}
	body = slices.Concat([]byte{cursorVersion}, q.print[:], body)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body))), nil
}

// readCursor reads a cursor of the same query; its errors are those of RFC 9865 section 2.1.
func readCursor(s string, q query) (*position, error) {
	bad := func(kind scimerrors.ScimType, detail string) error {
		return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: kind, Detail: detail}
	}
	const head, sum = 1 + len(fingerprint{}), 4
	b, err := base64.RawURLEncoding.DecodeString(s)
	switch {
	case err != nil || len(b) < head+sum || binary.BigEndian.Uint32(b[len(b)-sum:]) != crc32.ChecksumIEEE(b[:len(b)-sum]):
		return nil, bad("invalidCursor", "the cursor is not one of this server")
	case b[0] != cursorVersion:
		return nil, bad("expiredCursor", "the cursor is of another version of this server: begin again with an empty one")
	case fingerprint(b[1:head]) != q.print:
		return nil, bad("invalidCursor", "the cursor belongs to another query")
	}
	var p position
	if json.Unmarshal(b[head:len(b)-sum], &p) != nil || p.Kind < 0 || p.Kind >= len(q.kinds) {
		return nil, bad("invalidCursor", "the cursor is not one of this server")
	}
	if p.Count != q.count {
		return nil, bad("invalidCount", "count differs from that of the first page")
	}
	return &p, nil
}

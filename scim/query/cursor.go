package query

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

// Position is the last resource of a page. The next page begins after it, whether the resource still
// exists or not. The server stores nothing for a cursor, and a cursor does not expire.
type Position struct {
	Kind    int    `json:"t,omitempty"` // index into the query's kinds
	Place   uint64 `json:"p,omitempty"` // in the order of creation
	Name    string `json:"n,omitempty"` // in the order of names
	Key     []byte `json:"k,omitempty"` // in any other order
	Missing bool   `json:"m,omitempty"` // it has no value in that order
	ID      string `json:"i,omitempty"`
	Count   int    `json:"c"` // of the pages
}

// cursorVersion is the form of a cursor. Another version of the bridge may write another form.
const cursorVersion = 1

// Cursor returns a position as a cursor: form, query, position and checksum, in the characters that
// RFC 9865 section 2 allows. A cursor authorizes nothing: a client that changes one gets another
// page of what it may read.
func (q *Query) Cursor(p Position) (string, error) {
	p.Count = q.Count
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("writing a cursor: %w", err)
	}
	body = slices.Concat([]byte{cursorVersion}, q.fingerprint[:], body)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body))), nil
}

// readCursor reads a cursor of the same query. Its errors are those of RFC 9865 section 2.1.
func (q *Query) readCursor(s string) (*Position, error) {
	const head, sum = 1 + len(fingerprint{}), 4
	b, err := base64.RawURLEncoding.DecodeString(s)
	switch {
	case err != nil || len(b) < head+sum || binary.BigEndian.Uint32(b[len(b)-sum:]) != crc32.ChecksumIEEE(b[:len(b)-sum]):
		return nil, cursorError("invalidCursor", "the cursor is not one of this server")
	case b[0] != cursorVersion:
		return nil, cursorError("expiredCursor", "the cursor is of another version of this server: begin again with an empty one")
	case fingerprint(b[1:head]) != q.fingerprint:
		return nil, cursorError("invalidCursor", "the cursor belongs to another query")
	}
	var p Position
	if json.Unmarshal(b[head:len(b)-sum], &p) != nil || p.Kind < 0 || p.Kind >= len(q.Kinds) {
		return nil, cursorError("invalidCursor", "the cursor is not one of this server")
	}
	if p.Count != q.Count {
		return nil, cursorError("invalidCount", "count differs from that of the first page")
	}
	return &p, nil
}

func cursorError(kind scimerrors.ScimType, detail string) error {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: kind, Detail: detail}
}

package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// longest is the longest line of an export, in bytes: that of a request that replaced all members of a large group.
const longest = 64 << 20

// FileReport is the result of VerifyFile.
type FileReport struct {
	Report
	// Partial: the export was of a selection, so that events between its lines cannot be verified.
	Partial bool `json:"partial"`
}

// VerifyFile checks the lines of an export by themselves: that no event in it was changed, and, where lines follow each
// other in the chain, that none was removed, added or moved between them. known is as for Verify. An error means that
// the file could not be read.
func VerifyFile(file io.Reader, known string) (out FileReport, err error) {
	noted, err := notedHead(known)
	if err != nil {
		return out, err
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, longest)
	var digest string
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Event == nil {
			out.Broken = fmt.Sprintf("line %d is no line of an export", n)
			return out, nil
		}
		if l.Place == 0 {
			out.Waiting++
			continue
		}
		if out.Broken = wrongLine(l, out, digest); out.Broken != "" {
			out.Broken = fmt.Sprintf("line %d: %s", n, out.Broken)
			return out, nil
		}
		var e struct{ At time.Time }
		_ = json.Unmarshal(l.Event, &e) // its digest is right
		if out.Events == 0 {
			out.Forgotten, out.From = l.Place-1, e.At
			if l.Previous == known && known != "" {
				out.Known = l.Place - 1
			}
		}
		out.Partial = out.Partial || out.Events > 0 && l.Place != out.Place+1
		out.Events, out.To, out.Place, digest = out.Events+1, e.At, l.Place, l.Digest
		if noted != nil && l.Digest == known {
			out.Known = l.Place
		}
	}
	out.Head = digest
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return out, errors.New("reading the export: a line has more than 64 MiB")
		}
		return out, fmt.Errorf("reading the export: %w", err)
	}
	if known != "" && out.Known == 0 {
		out.Broken = "the recorded head is in no line of the export"
	}
	return out, nil
}

// wrongLine returns what is wrong with the next line; "" if nothing is.
func wrongLine(l line, before FileReport, digest string) string {
	previous, err := hex.DecodeString(l.Previous)
	if err != nil || len(previous) != len(store.Seal{}.Digest) {
		return "`previous` is no digest"
	}
	var event bytes.Buffer
	if err := json.Compact(&event, l.Event); err != nil {
		return "`event` is no JSON"
	}
	sum := sha256.Sum256(append(previous, event.Bytes()...))
	switch {
	case hex.EncodeToString(sum[:]) != l.Digest:
		return fmt.Sprintf("the event of place %d is not what was sealed there", l.Place)
	case before.Events > 0 && l.Place <= before.Place:
		return fmt.Sprintf("place %d comes after place %d", l.Place, before.Place)
	case before.Events > 0 && l.Place == before.Place+1 && l.Previous != digest:
		return fmt.Sprintf("place %d does not follow from place %d", l.Place, before.Place)
	}
	return ""
}

// notedHead reads a head that was recorded; nil without one.
func notedHead(known string) ([]byte, error) {
	noted, err := hex.DecodeString(known)
	if known != "" && (err != nil || len(noted) != len(store.Seal{}.Digest)) {
		return nil, fmt.Errorf("a head has %d hexadecimal digits, as `scimbridge audit verify` prints it", 2*len(store.Seal{}.Digest))
	}
	if known == "" {
		return nil, nil
	}
	return noted, nil
}

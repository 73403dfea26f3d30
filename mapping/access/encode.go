package access

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the row as encoding/json writes it. A report of a
// million rows spends most of its time on this.
func (r *Row) AppendJSON(dst []byte) []byte {
	dst = appendString(append(dst, `{"user":`...), r.User)
	dst = appendField(dst, "identity_provider", r.IdP)
	dst = appendField(dst, "id", r.UserID)
	dst = appendField(dst, "account", r.Account)
	dst = appendString(append(dst, `,"backend":`...), r.Backend)
	dst = appendString(append(dst, `,"target":`...), r.Target)
	dst = appendString(append(dst, `,"role":`...), r.Role)
	dst = appendString(append(dst, `,"state":`...), r.State)
	dst = appendString(append(dst, `,"has":`...), r.Has)
	dst = appendField(dst, "change", r.Change)
	dst = appendField(dst, "reason", r.Reason)
	dst = appendField(dst, "hold", r.Hold)
	dst = appendTime(dst, "since", r.Since)
	dst = append(dst, `,"from":[`...)
	for i, c := range r.From {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"group":`...), c.Group)
		dst = appendString(append(dst, `,"identity_provider":`...), c.IdP)
		if c.Line != 0 {
			dst = strconv.AppendInt(append(dst, `,"rule_line":`...), int64(c.Line), 10)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	dst = appendField(dst, "request", r.Request)
	dst = appendField(dst, "requested_by", r.RequestedBy)
	dst = appendTime(dst, "confirmed", r.Confirmed)
	return append(appendField(dst, "confirmed_by", r.ConfirmedBy), '}')
}

// appendField appends a field, unless it is empty.
func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return appendString(dst, value)
}

func appendTime(dst []byte, name string, at time.Time) []byte {
	if at.IsZero() {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":"`...)
	return append(at.AppendFormat(dst, time.RFC3339Nano), '"')
}

// appendString appends a JSON string. One that needs no escape is copied.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // of a string: cannot fail
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

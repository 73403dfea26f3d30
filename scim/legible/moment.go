package legible

import "time"

// Moment returns a time as every command prints it: RFC 3339 in UTC, as in JSON and in the log; "-"
// for the zero time.
func Moment(m time.Time) string {
	if m.IsZero() {
		return "-"
	}
	return m.UTC().Format(time.RFC3339)
}

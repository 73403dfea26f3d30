package filter

import "fmt"

// Error is the problem of a filter or a path. Its text is safe to send to a client: it repeats at
// most [echoLimit] bytes of any part of the input.
type Error struct {
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// echoLimit is how many bytes of a name or literal an error repeats.
const echoLimit = 60

func errorf(format string, args ...any) *Error {
	return &Error{Detail: fmt.Sprintf(format, args...)}
}

// Clip shortens a name that an error or a log repeats to [echoLimit] bytes, at a rune boundary.
func Clip(s string) string {
	if len(s) <= echoLimit {
		return s
	}
	end := 0
	for i := range s {
		if i > echoLimit-len("…") {
			break
		}
		end = i
	}
	return s[:end] + "…"
}

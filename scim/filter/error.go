package filter

import "fmt"

// Error is the problem of a filter or a path. Its text is safe to send to a client: it repeats at
// most [echoLimit] bytes of any part of the input.
type Error struct {
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// echoLimit is how many bytes of a name or literal an error repeats.
const echoLimit = 48

func errorf(format string, args ...any) *Error {
	return &Error{Detail: fmt.Sprintf(format, args...)}
}

// clip shortens s for an error message, at a rune boundary.
func clip(s string) string {
	if len(s) <= echoLimit {
		return s
	}
	end := 0
	for i := range s {
		if i > echoLimit {
			break
		}
		end = i
	}
	return s[:end] + "…"
}

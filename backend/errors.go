package backend

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrorKind classifies a failure by what the delivery loop does about it.
type ErrorKind uint8

// The treatments: Transient backs off; Throttled waits until Error.Until; Unauthorized pauses the backend;
// Rejected is isolated by halving the batch; Missing is a target that does not exist.
const (
	Transient ErrorKind = iota + 1
	Throttled
	Unauthorized
	Rejected
	Missing
)

func (k ErrorKind) String() string {
	switch k {
	case Transient:
		return "transient"
	case Throttled:
		return "throttled"
	case Unauthorized:
		return "unauthorized"
	case Rejected:
		return "rejected"
	case Missing:
		return "missing"
	}
	return "unknown"
}

// Error is the only failure a Backend returns. It never holds a vendor's body, a credential or the name
// of a user: Code is one of the vendor's documented words, or empty.
type Error struct {
	Kind   ErrorKind
	Doing  string    // the activity that failed: "changing roles"
	Status int       // HTTP status, 0 where there was no answer
	Code   string    // vendor's error code, at most 64 letters and underscores
	Until  time.Time // Throttled: not before
	// Unsent is true if the call certainly never left: nothing can have been applied.
	Unsent bool
	Err    error // cause, without secrets; may be nil
}

func (e *Error) Error() string {
	s := e.Doing + ": " + e.Kind.String()
	if e.Status != 0 {
		s += fmt.Sprintf(" (status %d", e.Status)
		if e.Code != "" {
			s += " " + e.Code
		}
		s += ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ErrPartial is returned by Resolve together with the accounts of an incomplete listing: the vendor
// counts more users than it shows, or hides some.
var ErrPartial = errors.New("the vendor does not show all of its users")

// Unread makes a failure of a read transient if it is of one of the kinds, so that the read is repeated.
// A rejected read concerns no account in particular: halving the batch would find none.
func Unread(err error, kinds ...ErrorKind) error {
	var e *Error
	if errors.As(err, &e) && slices.Contains(kinds, e.Kind) {
		e.Kind = Transient
	}
	return err
}

// Unclear returns the failure of a call whose answer has an unknown form: it may have taken effect.
func Unclear(doing string, status int) error {
	return &Error{Kind: Transient, Doing: doing, Status: status, Err: errors.New("the answer has an unknown form")}
}

// KindOf returns the ErrorKind of err, Transient for anything that is not an *Error.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Transient
}

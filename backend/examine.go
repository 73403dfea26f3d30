package backend

import (
	"context"
	"errors"
	"net/http"
)

// Level says how much a Finding matters.
type Level string

// Fine is as it should be; Note is worth knowing; Problem keeps the bridge from doing what it is configured for.
const (
	Fine    Level = "ok"
	Note    Level = "note"
	Problem Level = "problem"
)

// Finding is one thing that an examination of a connection found.
type Finding struct {
	Level  Level  `json:"level"`
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"` // what to do about it
	Target string `json:"target,omitempty"` // the one that it is about, if it is about one
}

// Examiner is a Backend that says whether its connection will do. It only reads.
type Examiner interface {
	Examine(ctx context.Context, targets []string) []Finding
}

// Partial is what there is to know about a listing, of what, that is not whole.
func Partial(what string) Finding {
	return Finding{Level: Note, What: what + " counts or names more people than it shows this credential: not all of them can be seen, so an account that is not shown may exist: drift is not seen, and no account is requested",
		Remedy: "try again, for people may have come and gone meanwhile; if it stays so, use the credential of an administrator who may see all users, or ask the vendor which users it counts"}
}

// Refused puts a failed read into words; remedies name what to do by its kind.
func Refused(what string, err error, remedies map[ErrorKind]string) Finding {
	remedy := remedies[KindOf(err)]
	var e *Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusNotFound:
		remedy = remedies[Missing]
	case errors.As(err, &e) && e.Kind == Transient && e.Status >= 300 && e.Status < 400:
		remedy = "it answers with another address: see whether `url` is right"
	case errors.As(err, &e) && e.Kind == Transient && e.Status >= 400:
		remedy = "the vendor has a fault of its own: try again; if it stays so, ask them"
	}
	if remedy == "" {
		remedy = "try again; if it stays so, ask the vendor"
	}
	return Finding{Level: Problem, What: what + ": " + err.Error(), Remedy: remedy}
}

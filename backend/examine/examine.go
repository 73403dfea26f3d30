// Package examine is what an examination of a connection finds: the doctor prints it, and the clients of
// the vendors implement it.
package examine

import (
	"context"
	"errors"
	"net/http"

	"github.com/scimbridge/scimbridge/backend"
)

// Level is the weight of a Finding.
type Level string

// Fine needs nothing; Note is worth knowing; Problem keeps Scimbridge from doing what is configured.
const (
	Fine    Level = "ok"
	Note    Level = "note"
	Problem Level = "problem"
)

// Finding is one result of an examination.
type Finding struct {
	Level  Level  `json:"level"`
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"` // the next step
	Target string `json:"target,omitempty"` // the target that it is about, if any
}

// Examiner is a Backend that examines its connection. It only reads.
type Examiner interface {
	Examine(ctx context.Context, targets []string) []Finding
}

// Partial returns the finding about an incomplete listing.
func Partial(listing string) Finding {
	return Finding{Level: Note, What: listing + " counts or names more users than it shows this credential; " +
		"while it is incomplete drift is not seen, and a missing user is retried, not invited",
		Remedy: "try again, because users may have changed meanwhile; if it stays so, use the credential of an administrator " +
			"who may see all users, or ask the vendor which users it counts"}
}

// Refused returns the finding about a failed read; remedies has the next steps by kind.
func Refused(what string, err error, remedies map[backend.ErrorKind]string) Finding {
	remedy := remedies[backend.KindOf(err)]
	var e *backend.Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusNotFound:
		remedy = remedies[backend.Missing]
	case errors.As(err, &e) && e.Kind == backend.Transient && e.Status >= 300 && e.Status < 400:
		remedy = "it redirects to another address: check `url`"
	case errors.As(err, &e) && e.Kind == backend.Transient && e.Status >= 400:
		remedy = "the vendor has a fault of its own: try again; if it stays so, ask the vendor"
	}
	if remedy == "" {
		remedy = "try again; if it stays so, ask the vendor"
	}
	return Finding{Level: Problem, What: what + ": " + err.Error(), Remedy: remedy}
}

package delivery_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// asked appends the event of a request about a user.
func (s *simulation) asked(tx store.Tx, about store.Subject, now time.Time) (store.Origin, error) {
	seq, err := tx.Events().Append(store.Event{At: now, Type: "request", Actor: "idp", IdP: about.IdP, Subject: about.User})
	return store.Origin{Initiator: "idp", Request: strconv.FormatUint(seq, 10), At: now}, err
}

// blame wants every grant and revocation to say who asked: if a request did, it was before, and about this person.
func (s *simulation) blame() {
	about := map[string]string{}
	err := s.store.View(s.t.Context(), func(tx store.Tx) error {
		for e, err := range tx.Events().Since(0) {
			switch e.Type {
			case "request":
				about[strconv.FormatUint(e.Seq, 10)] = strings.Replace(e.Subject, "u", "a", 1) // whose account this is
			case "grant", "adopt", "revoke":
				if e.Initiator == "" || e.Initiator == "idp" && about[e.Request] != base(e.Account) && !s.swapped[e.Account] {
					return fmt.Errorf("event %d, %s of %s: asked for by %q, request %q about %q", e.Seq, e.Type, e.Account, e.Initiator, e.Request, about[e.Request])
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(strings.Join(append([]string{err.Error()}, s.lastTrace()...), "\n"))
	}
}

// base is the account of a person before any that was made later.
func base(account string) string {
	id, _, _ := strings.Cut(account, ".")
	return id
}

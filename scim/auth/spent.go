package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// spentLists is the number of lists of an identity provider, and maxSpent the number of
	// assertions in one: a list is read and written as a whole.
	spentLists = 16
	maxSpent   = 512
	// maxAssertion is how long a one-time assertion may last, by a clock that is as far ahead as
	// allowed. It is stored until then.
	maxAssertion = 24 * time.Hour
	// spentFor is how long an assertion is stored after its end: a process whose clock is behind
	// still accepts it.
	spentFor = 3 * leeway

	nameSize  = 16
	spentSize = nameSize + 8
)

// errManySpent is a temporary error: there is room again when the oldest assertion ends.
var errManySpent = errors.New("too many one-time assertions of one identity provider are stored: let them expire sooner")

// Spent stores the used assertions, by a hash of issuer and name, so that each is valid once: for
// all processes with one store, and after a restart. Functions store them; they are no secret.
type Spent struct {
	// Load returns the list with a name, nil if there is none. Change replaces it in one
	// transaction by the result of the function; the function may run more than once, and nil
	// changes nothing.
	Load   func(ctx context.Context, name string) ([]byte, error)
	Change func(ctx context.Context, name string, change func(stored []byte) ([]byte, error)) error
}

// once is a one-time assertion.
type once struct {
	idp  string
	name [nameSize]byte
	end  time.Time // until when it must be stored
}

// onceOf returns a one-time assertion; nil for an assertion without a name, which may be used until
// it ends. It refuses a used one before it counts as a request of its client.
func (i *Issuer) onceOf(ctx context.Context, c Client, claims jwt.MapClaims) (*once, error) {
	name, there := claims["jti"]
	if !there {
		return nil, nil
	}
	end, err := claims.GetExpirationTime()
	if err != nil || end == nil || end.Sub(clock(i.Now)) > maxAssertion+leeway {
		return nil, c.refusal("a one-time assertion that lasts for more than a day")
	}
	sum := sha256.Sum256(fmt.Append(nil, c.Assertions.Issuer, "\x00", name))
	o := &once{c.IdP, [nameSize]byte(sum[:]), end.Add(spentFor)}
	switch known, err := i.Spent.used(ctx, o); {
	case err != nil:
		return nil, err
	case known:
		return nil, c.refusal(usedBefore)
	}
	return o, nil
}

// spend uses up the proof of a client, if it is a one-time assertion.
func (i *Issuer) spend(ctx context.Context, p proof) error {
	if p.once == nil {
		return nil
	}
	first, err := i.Spent.use(ctx, p.once, clock(i.Now))
	if err == nil && !first {
		return p.client.refusal(usedBefore)
	}
	return err
}

const usedBefore = "an assertion that was used before"

// list returns the name of the list to which an assertion belongs.
func (o *once) list() string { return fmt.Sprintf("%s/%d", o.idp, o.name[0]%spentLists) }

// used reports whether an assertion was used. Another request may use it right after.
func (s *Spent) used(ctx context.Context, o *once) (bool, error) {
	stored, err := s.Load(ctx, o.list())
	if err != nil {
		return false, fmt.Errorf("reading used assertions: %w", err)
	}
	return o.in(stored), nil
}

// use stores that an assertion is used. It reports whether this is the first use: for one of
// several concurrent requests it is.
func (s *Spent) use(ctx context.Context, o *once, now time.Time) (first bool, err error) {
	err = s.Change(ctx, o.list(), func(stored []byte) ([]byte, error) {
		if first = !o.in(stored); !first {
			return nil, nil
		}
		live := withoutEnded(stored, now)
		if len(live) >= maxSpent*spentSize {
			return nil, errManySpent
		}
		return binary.BigEndian.AppendUint64(append(live, o.name[:]...), uint64(o.end.Unix()+1)), nil
	})
	if err != nil {
		return false, fmt.Errorf("storing a used assertion: %w", err)
	}
	return first, nil
}

// in reports whether an assertion is in a list.
func (o *once) in(stored []byte) bool {
	for ; len(stored) >= spentSize; stored = stored[spentSize:] {
		if bytes.Equal(stored[:nameSize], o.name[:]) {
			return true
		}
	}
	return false
}

// withoutEnded returns a list without the assertions that need not be stored any longer.
func withoutEnded(stored []byte, now time.Time) []byte {
	live := make([]byte, 0, len(stored)+spentSize)
	for ; len(stored) >= spentSize; stored = stored[spentSize:] {
		if end := binary.BigEndian.Uint64(stored[nameSize:]); int64(end) > now.Unix() {
			live = append(live, stored[:spentSize]...)
		}
	}
	return live
}

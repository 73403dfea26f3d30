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
	// spentLists is how many lists an identity provider has, and maxSpent how many assertions are in one at most: a list is read and
	// written whole.
	spentLists = 16
	maxSpent   = 512
	// maxAssertion is how long an assertion that is good once may last, by a clock that is as far ahead as may be: it is remembered until
	// then.
	maxAssertion = 24 * time.Hour
	// spentFor is how long after its end an assertion is remembered: for as long as it is accepted by a process whose clock is
	// behind that of the one which forgets it.
	spentFor = 3 * leeway

	nameSize  = 16
	spentSize = nameSize + 8
)

// errManySpent is an answer for now: the oldest of them ends, and then there is room.
var errManySpent = errors.New("too many assertions of one identity provider are remembered, because they last for long")

// Spent remembers the assertions that were used, by a hash of issuer and name, so that each is good once: for all processes that keep
// this in one place, and after a restart. Where it is kept is the caller's; what is kept is no secret.
type Spent struct {
	// Load gives what is kept under a name, nil if nothing is. Change replaces it, in one transaction, by what the function makes of
	// it; the function may run more than once, and nil leaves what is there.
	Load   func(ctx context.Context, name string) ([]byte, error)
	Change func(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error
}

// once is an assertion that is good once.
type once struct {
	idp  string
	name [nameSize]byte
	end  time.Time // when it need not be remembered any more
}

// once is what is to be remembered of an assertion; nil if it has no name, and may be used until it ends. One that was used is refused here
// already, before it is counted among the requests of its client.
func (i *Issuer) once(ctx context.Context, c Client, claims jwt.MapClaims) (*once, error) {
	name, there := claims["jti"]
	if !there {
		return nil, nil
	}
	end, err := claims.GetExpirationTime()
	if err != nil || end == nil || end.Sub(clock(i.Now)) > maxAssertion+leeway {
		return nil, c.refused("an assertion that is good once and lasts for more than a day")
	}
	sum := sha256.Sum256(fmt.Append(nil, c.Assertions.Issuer, "\x00", name))
	o := &once{c.IdP, [nameSize]byte(sum[:]), end.Add(spentFor)}
	switch known, err := i.Spent.knows(ctx, o); {
	case err != nil:
		return nil, err
	case known:
		return nil, c.refused(usedBefore)
	}
	return o, nil
}

// spend uses up what proved who a client is, if that is good once.
func (i *Issuer) spend(ctx context.Context, p proof) error {
	if p.once == nil {
		return nil
	}
	first, err := i.Spent.first(ctx, p.once, clock(i.Now))
	if err == nil && !first {
		return p.client.refused(usedBefore)
	}
	return err
}

const usedBefore = "an assertion that was used before"

// list names the list to which an assertion belongs.
func (o *once) list() string { return fmt.Sprintf("%s/%d", o.idp, o.name[0]%spentLists) }

// knows says whether an assertion was used. That it was not may be over when this returns.
func (s *Spent) knows(ctx context.Context, o *once) (bool, error) {
	kept, err := s.Load(ctx, o.list())
	if err != nil {
		return false, fmt.Errorf("reading which assertions were used: %w", err)
	}
	return o.in(kept), nil
}

// first notes that an assertion is used, and says whether it is for the first time: of several who ask at once one is told so.
func (s *Spent) first(ctx context.Context, o *once, now time.Time) (first bool, err error) {
	err = s.Change(ctx, o.list(), func(kept []byte) ([]byte, error) {
		if first = !o.in(kept); !first {
			return nil, nil
		}
		live := unended(kept, now)
		if len(live) >= maxSpent*spentSize {
			return nil, errManySpent
		}
		return binary.BigEndian.AppendUint64(append(live, o.name[:]...), uint64(o.end.Unix()+1)), nil
	})
	if err != nil {
		return false, fmt.Errorf("noting that an assertion is used: %w", err)
	}
	return first, nil
}

// in says whether an assertion is in a list.
func (o *once) in(kept []byte) bool {
	for ; len(kept) >= spentSize; kept = kept[spentSize:] {
		if bytes.Equal(kept[:nameSize], o.name[:]) {
			return true
		}
	}
	return false
}

// unended is a list without what need not be remembered any more.
func unended(kept []byte, now time.Time) []byte {
	live := make([]byte, 0, len(kept)+spentSize)
	for ; len(kept) >= spentSize; kept = kept[spentSize:] {
		if end := binary.BigEndian.Uint64(kept[nameSize:]); int64(end) > now.Unix() {
			live = append(live, kept[:spentSize]...)
		}
	}
	return live
}

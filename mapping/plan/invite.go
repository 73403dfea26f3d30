package plan

import (
	"cmp"
	"net/mail"
	"slices"
)

// Missing is a user who should have something and has no account by a complete listing.
type Missing struct {
	Key     string
	Invited bool // the vendor was asked for an account lately
}

// invitations asks the vendor for the accounts that are missing, each once.
func (r *run) invitations() (out []Call) {
	if !r.Invite || r.Mode == Observe {
		return nil
	}
	asked := map[string]bool{}
	byKey := func(a, b Missing) int { return cmp.Compare(a.Key, b.Key) }
	for _, m := range slices.SortedStableFunc(slices.Values(r.s.Missing), byKey) {
		if m.Invited || asked[m.Key] || !Address(m.Key) {
			continue
		}
		asked[m.Key] = true
		out = append(out, Call{Target: r.s.Target, Invite: m.Key})
	}
	return out
}

// Address reports whether a value is an e-mail address and nothing else: only with one is an account
// asked for.
func Address(value string) bool {
	a, err := mail.ParseAddress(value)
	return err == nil && a.Name == "" && a.Address == value
}

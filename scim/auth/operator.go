package auth

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Role is what an operator may do.
type Role int

// The roles of operators, each with the rights of those before.
const (
	Viewer   Role = iota + 1 // reads
	Approver                 // decides about holds; retries and resyncs
	Admin                    // reloads, resumes, takes copies
)

// Roles lists the words of the roles, from the least rights to all.
func Roles() []string { return []string{"viewer", "approver", "admin"} }

// ParseRole reads the word of a role.
func ParseRole(word string) (Role, bool) {
	i := slices.Index(Roles(), word)
	return Role(i + 1), i >= 0
}

func (r Role) String() string { return Roles()[r-1] }

// Local is the name of the operator who has the key file next to the store.
const Local = "local"

// How an operator signed in: see Operator.Credential.
const (
	ByKeyFile = "key_file"
	ByKey     = "key"
	BySignal  = "signal" // to the process
)

// Operator is who calls the operator API.
type Operator struct {
	Name string
	Role Role
	By   string // how the operator signed in: ByKeyFile, ByKey or BySignal
}

// Credential names the operator and how the operator signed in, for the audit trail: "key:ci".
func (o Operator) Credential() string { return o.By + ":" + o.Name }

// OperatorKey is a configured key of an operator; only its hash is kept.
type OperatorKey struct {
	Credential // IdP is the name of the operator
	Role       Role
}

// Operators knows the configured keys of operators. It may be used concurrently.
type Operators []OperatorKey

// Identify returns the operator whose key a request has as its bearer token. The error is a
// *Refusal.
func (all Operators) Identify(r *http.Request, now func() time.Time) (Operator, error) {
	headers := r.Header.Values("Authorization")
	key, bearer := "", false
	if len(headers) == 1 && len(headers[0]) <= maxHeader {
		key, bearer = strings.CutPrefix(headers[0], "Bearer ")
	}
	if !bearer || key == "" {
		return Operator{}, &Refusal{Why: NoOperator}
	}
	v := Verifier{Now: now}
	for _, k := range all {
		v.Credentials = append(v.Credentials, k.Credential)
	}
	found, refusal := v.static(key)
	switch {
	case refusal != nil && refusal.Token != "": // the name is of an operator, not of an identity provider
		return Operator{}, &Refusal{Why: "an operator's key that has expired: " + refusal.IdP, Token: refusal.Token}
	case refusal != nil:
		return Operator{}, &Refusal{Why: NoOperator}
	}
	i := slices.IndexFunc(all, func(k OperatorKey) bool { return k.IdP == found.IdP })
	return Operator{Name: found.IdP, Role: all[i].Role, By: ByKey}, nil
}

// NoOperator is why a call to the operator API without a valid key is refused.
const NoOperator = "no operator's key or a wrong one"

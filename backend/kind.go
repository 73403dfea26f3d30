package backend

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// Kind is one kind of vendor: what its configuration may say, how its client is made, and how it is
// simulated.
type Kind struct {
	Name   string // as `kind` in the configuration
	Title  string // as messages name the vendor
	Traits Traits

	Credentials   [][]string // the keys that must be set together; several lists are alternatives
	OnMissingUser string     // what on_missing_user may be besides wait; "": nothing
	OnDeactivate  string     // what on_deactivate may be besides remove_roles; "": nothing

	// Validate finds mistakes in the settings of a backend and ValidateGrant in a grant of a rule; both
	// may be nil. Neither connects.
	Validate      func(Settings) []Mistake
	ValidateGrant func(Grant) []Mistake

	New      func(Settings) (Backend, error)
	Simulate func(Settings, Simulation) Simulator
}

// Settings are what a client is made of.
type Settings struct {
	Caller
	Secrets                  map[string]Secret // by their keys in the configuration
	UpdateMethod, UpdatePath string            // of Risk Cloud's role update
}

// Grant is what a rule gives at one target, as it is configured.
type Grant struct {
	Target         string
	Roles          []string
	PermissionSets []string
	Authoritative  bool
	Replace        bool
}

// Mistake is a mistake in a part of a configuration, or a warning.
type Mistake struct {
	Key     string // below that part, with dots: update_role.path
	Text    string
	Warning bool
}

// Simulation is how a simulated vendor behaves.
type Simulation struct {
	Profile string   // strict, lenient or partial; "": strict
	Targets []string // that exist from the start
}

// Simulator is a simulated vendor, over HTTP.
type Simulator interface {
	http.Handler
	// AddPerson makes an account, if the address has none.
	AddPerson(email string) (id string)
	// AddTarget makes a target if it does not exist.
	AddTarget(id string)
	// Roles returns what an address holds, sorted: "target role", or the target where it is the role.
	Roles(email string) []string
}

// MissingCredentials returns the key to complain about and what is missing if none of the
// alternatives is set completely; "" if one is.
func (k Kind) MissingCredentials(set func(key string) bool) (key, text string) {
	var words []string
	for _, keys := range k.Credentials {
		if !slices.ContainsFunc(keys, func(key string) bool { return !set(key) }) {
			return "", ""
		}
		words = append(words, strings.Join(keys, " and "))
	}
	switch {
	case len(words) == 0:
		return "", ""
	case len(words) == 1 && len(k.Credentials[0]) == 1:
		return k.Credentials[0][0], "is missing"
	}
	return k.Credentials[0][0], "needs " + strings.Join(words, ", or ")
}

// UpdateFinder is a Backend that can find out how its tenant accepts the update of a target.
type UpdateFinder interface {
	// FindUpdate tries an update that changes nothing on a target.
	FindUpdate(ctx context.Context, target string) (UpdateRole, error)
}

// UpdateRole is a method and a path by which a tenant may accept the update of a role.
type UpdateRole struct{ Method, Path string }

package virustotal

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/store/nearest"
)

// Kind returns the kind virustotal.
func Kind() backend.Kind {
	return backend.Kind{
		Name: "virustotal", Title: "VirusTotal", Traits: traits(), Credentials: [][]string{{"api_key"}},
		OnMissingUser: "invite", OnDeactivate: "remove_member", ValidateGrant: validateGrant,
		New: func(s backend.Settings) (backend.Backend, error) {
			return New(Config{Caller: s.Caller, APIKey: s.Secrets["api_key"]})
		},
		Simulate: func(_ backend.Settings, s backend.Simulation) backend.Simulator {
			return simulator.New(simulator.Options{Profile: s.Profile, AnyGroup: true})
		},
	}
}

func traits() backend.Traits {
	return backend.Traits{Replace: true, AdminRole: adminRole, ShowsAll: true, OwnAccount: true}
}

var rolePattern = regexp.MustCompile(`^(USER_ROLE_[A-Z0-9_]+|\$\{[^}]+\}|USER_ROLE_.*\$\{[^}]+\}.*)$`)

// documentedRoles are the roles that the vendor's pages name. A licence may have others.
var documentedRoles = []string{"USER_ROLE_GROUP_ADMIN", "USER_ROLE_PRIVATE_SCANNING", "USER_ROLE_FILE_DOWNLOADS", "USER_ROLE_FILE_UPLOADS",
	"USER_ROLE_PRIVATE_FILE_UPLOADS", "USER_ROLE_PRIVATE_FILE_DOWNLOADS"}

func validateGrant(g backend.Grant) (out []backend.Mistake) {
	switch {
	case len(g.PermissionSets) > 0:
		out = append(out, backend.Mistake{Key: "permission_sets", Text: "is for riskcloud only"})
	case g.Authoritative:
		out = append(out, backend.Mistake{Key: "authoritative", Text: "is refused: VirusTotal does not show the holders of a role"})
	}
	for _, r := range g.Roles {
		if m, wrong := validateRole(r); wrong {
			out = append(out, m)
		}
	}
	return out
}

// validateRole refuses a role that is misspelled. A role that resembles no documented one may belong
// to the licence, and causes a warning.
func validateRole(role string) (m backend.Mistake, wrong bool) {
	if rolePattern.MatchString(role) && (strings.Contains(role, "${") || slices.Contains(documentedRoles, role)) {
		return m, false
	}
	meant := nearest.Word(role, documentedRoles, 2)
	if meant == "" {
		meant = nearest.Word("USER_ROLE_"+role, documentedRoles, 2)
	}
	switch {
	case meant != "":
		return backend.Mistake{Key: "roles", Text: fmt.Sprintf("%.64q is not a role of VirusTotal; did you mean %q?", role, meant)}, true
	case !rolePattern.MatchString(role):
		return backend.Mistake{Key: "roles", Text: fmt.Sprintf("%.64q does not look like USER_ROLE_…; documented are %s", role, strings.Join(documentedRoles, ", "))}, true
	}
	return backend.Mistake{Key: "roles", Warning: true, Text: fmt.Sprintf("%.64q is not one of the roles that VirusTotal documents; check the spelling", role)}, true
}

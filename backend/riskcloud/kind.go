package riskcloud

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
)

// Kind returns the kind riskcloud.
func Kind() backend.Kind {
	return backend.Kind{
		Name: "riskcloud", Title: "Risk Cloud", Traits: traits(), Credentials: [][]string{{"client_id", "client_secret"}, {"token"}},
		OnMissingUser: "create", OnDeactivate: "disable_user", Validate: validate, ValidateGrant: validateGrant,
		New: func(s backend.Settings) (backend.Backend, error) {
			return New(Config{Caller: s.Caller, ClientID: s.Secrets["client_id"], ClientSecret: s.Secrets["client_secret"],
				Token: s.Secrets["token"], UpdateMethod: s.UpdateMethod, UpdatePath: s.UpdatePath})
		},
		Simulate: func(c backend.Settings, s backend.Simulation) backend.Simulator {
			vendor := simulator.New(simulator.Options{Profile: s.Profile, UpdateMethod: c.UpdateMethod, UpdatePath: c.UpdatePath})
			for _, target := range s.Targets {
				vendor.AddTarget(target)
			}
			return vendor
		},
	}
}

func traits() backend.Traits {
	return backend.Traits{Mixed: true, OneListing: true, ShowsAll: true, FixedRole: Member}
}

// updateMethods are the methods that the configuration may name for the role update.
var updateMethods = []string{http.MethodPut, http.MethodPatch, http.MethodPost}

func validate(s backend.Settings) (out []backend.Mistake) {
	if !strings.HasPrefix(s.UpdatePath, "/") || !strings.Contains(s.UpdatePath, "{role}") {
		out = append(out, backend.Mistake{Key: "update_role.path", Text: "must begin with / and contain {role}"})
	}
	if !slices.Contains(updateMethods, s.UpdateMethod) {
		out = append(out, backend.Mistake{Key: "update_role.method",
			Text: fmt.Sprintf("%.64q is not one of %s", s.UpdateMethod, strings.Join(updateMethods, ", "))})
	}
	return out
}

func validateGrant(g backend.Grant) []backend.Mistake {
	if len(g.Roles) > 0 {
		return []backend.Mistake{{Key: "roles", Text: "belongs to virustotal; at Risk Cloud the target is the role"}}
	}
	return nil
}

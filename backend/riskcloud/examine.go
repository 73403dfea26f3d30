package riskcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/examine"
)

var (
	_ examine.Examiner     = (*Client)(nil)
	_ backend.UpdateFinder = (*Client)(nil)
)

// Examine implements examine.Examiner: whether the credential is an administrator's, and which roles can be changed.
func (c *Client) Examine(ctx context.Context, targets []string) []examine.Finding {
	remedies := map[backend.ErrorKind]string{
		backend.Unauthorized: "use the client id and secret, or the token, of an administrator: Profile, Access Key in Risk Cloud",
		backend.Missing:      "check `url`: it is that of your tenant, such as https://acme.logicgate.com, without a path",
		backend.Transient:    "check whether this machine reaches the vendor: proxy, firewall, name resolution",
	}
	roles, _, err := list(ctx, c, "list_roles", "reading roles", "/api/v1/roles", func(role) bool { return true })
	if err != nil {
		return []examine.Finding{examine.Refused("the roles", err, remedies)}
	}
	users, whole, err := c.listUsers(ctx)
	if err != nil {
		return []examine.Finding{examine.Refused("the users", err, remedies)}
	}
	emails := 0
	for _, u := range users {
		if u.Email != "" {
			emails++
		}
	}
	out := []examine.Finding{{Level: examine.Fine, What: fmt.Sprintf("the credential sees %d roles and %d users", len(roles), len(users))}}
	if emails == 0 {
		out = append(out, examine.Finding{Level: examine.Problem, What: "it sees no e-mail addresses of users", Remedy: remedies[backend.Unauthorized]})
	}
	if !whole && len(users) > 0 {
		out = append(out, examine.Partial("the list of users"))
	}
	byID := map[string]role{}
	for _, r := range roles {
		byID[r.ID] = r
	}
	for _, t := range targets {
		r, there := byID[t]
		f := r.examine(t, there)
		if meant := similar(roles, t); !there && meant != "" {
			f.Remedy = "did you mean " + meant + "? " + f.Remedy
		}
		f.Target = t
		out = append(out, f)
	}
	return out
}

func (r role) examine(id string, there bool) examine.Finding {
	name := id
	if r.Name != nil {
		name += " (" + *r.Name + ")"
	}
	switch {
	case !there:
		return examine.Finding{Level: examine.Problem, What: "there is no role " + name, Remedy: "correct `target`: it is the role's id, as in the address of its page, not its name"}
	case r.refusal() == "super_admin":
		return examine.Finding{Level: examine.Problem, What: "role " + name + " is a super-admin's: Scimbridge does not change it", Remedy: "map another role"}
	case r.refusal() != "":
		return examine.Finding{Level: examine.Problem, What: "role " + name + " is provisioned from elsewhere, and the API refuses to change it", Remedy: "map another role, or end the other provisioning"}
	case r.Locked:
		return examine.Finding{Level: examine.Problem, What: "role " + name + " is locked: Scimbridge only revokes it", Remedy: "unlock the role in Risk Cloud, or map another"}
	case !r.shows():
		return examine.Finding{Level: examine.Note, What: "role " + name + " does not show its users", Remedy: "nothing to do; unless the list of users shows them, drift is not seen and `authoritative` cannot work"}
	}
	return examine.Finding{Level: examine.Fine, What: fmt.Sprintf("role %s shows its %d users", name, len(r.Users))}
}

// updateWays lists the known ways of an update, the likeliest first.
var updateWays = []backend.UpdateRole{
	{Method: http.MethodPut, Path: "/api/v1/roles/{role}"},
	{Method: http.MethodPut, Path: "/api/v1/roles?role={role}"},
	{Method: http.MethodPatch, Path: "/api/v1/roles/{role}"},
}

// FindUpdate implements backend.UpdateFinder. It tries the known ways on a role, with an update that
// changes nothing. Only after a 404 or 405 it tries the next.
func (c *Client) FindUpdate(ctx context.Context, id string) (backend.UpdateRole, error) {
	before, there, err := c.role(ctx, id)
	switch {
	case err != nil:
		return backend.UpdateRole{}, err
	case !there:
		return backend.UpdateRole{}, errors.New("there is no role " + id)
	case before.refusal() != "":
		return backend.UpdateRole{}, errors.New("the role must not be changed: " + before.refusal())
	case before.Locked:
		return backend.UpdateRole{}, errors.New("the role must not be changed: locked")
	}
	for _, way := range updateWays {
		a, err := c.do(ctx, backend.Call{Operation: "update_role", Doing: "trying the update of a role", Method: way.Method, Changes: true,
			Path: strings.ReplaceAll(way.Path, "{role}", url.PathEscape(id)), Body: update{Name: before.Name, Add: []userRef{}, Remove: []userRef{}}})
		var e *backend.Error
		if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) {
			continue
		}
		if err != nil {
			return backend.UpdateRole{}, err
		}
		var answer role
		if json.Unmarshal(a.Body, &answer) != nil || answer.ID != id {
			return backend.UpdateRole{}, backend.Unclear("trying the update of a role", a.Status)
		}
		after, _, err := c.role(ctx, id)
		if err != nil {
			return backend.UpdateRole{}, err
		}
		if !before.same(after) {
			return way, fmt.Errorf("%s %s was accepted, and the role has changed: check its name and users", way.Method, way.Path)
		}
		return way, nil
	}
	return backend.UpdateRole{}, errors.New("the tenant accepts none of the known ways; ask the vendor for the method and path of “Update Users and Permission Sets on Role”")
}

func (r role) same(o role) bool {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	count := func(n *int) int {
		if n == nil {
			return -1
		}
		return *n
	}
	return text(r.Name) == text(o.Name) && count(r.UserCount) == count(o.UserCount)
}

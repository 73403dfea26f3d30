package riskcloud

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
)

type userRef struct {
	Status string `json:"status"`
	ID     string `json:"id"`
}

type setRef struct {
	ID string `json:"id"`
}

// update is the body of the role update (vendor's page Update Users and Permission Sets on Role).
type update struct {
	Name       *string   `json:"name,omitempty"`
	Add        []userRef `json:"usersToAdd"`
	Remove     []userRef `json:"usersToRemove"`
	SetsAdd    []setRef  `json:"permissionSetsToAdd,omitempty"`
	SetsRemove []setRef  `json:"permissionSetsToRemove,omitempty"`
}

// Apply implements backend.Backend with one role update. Before it reads the role, because another name
// would rename it, and the status of each user, because the vendor may write the status that is sent.
func (c *Client) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	r, ok, err := c.role(ctx, d.Target)
	switch {
	case err != nil:
		return nil, before(err)
	case !ok:
		return nil, &backend.Error{Kind: backend.Missing, Doing: "updating a role", Unsent: true}
	case r.refusal() != "":
		return nil, refused(r.refusal())
	}
	body := update{Name: r.Name, Add: []userRef{}, Remove: []userRef{}}
	var users map[string]user
	var whole bool
	outcomes := make([]backend.Outcome, len(d.Changes))
	for i, ch := range d.Changes {
		outcomes[i] = backend.Applied
		has, shown := r.holds(ch.Account.ID), r.shows() || r.holds(ch.Account.ID)
		if shown && has == (ch.Op == backend.Add) {
			outcomes[i] = backend.Already
			if !ch.Recent {
				continue
			}
		}
		if users == nil { // read now: the vendor may write the status that is sent
			if users, whole, err = c.listUsers(ctx); err != nil {
				return nil, before(err)
			}
		}
		u, there := users[ch.Account.ID]
		switch {
		case !there && !whole: // the account may exist; the other changes need not wait
			return nil, refused("not_shown")
		case !there:
			return nil, refused("unknown_user")
		case u.Autoprovisioned:
			return nil, refused("account_managed_elsewhere")
		}
		ref := userRef{Status: u.Status, ID: ch.Account.ID}
		if ch.Op == backend.Add {
			body.Add = append(body.Add, ref)
		} else {
			body.Remove = append(body.Remove, ref)
		}
	}
	body.SetsAdd, body.SetsRemove = refs(d.PermissionSetsToAdd), refs(d.PermissionSetsToRemove)
	if r.Locked && len(body.Add)+len(body.SetsAdd) > 0 { // a revocation alone is tried
		return nil, refused("locked")
	}
	if len(body.Add)+len(body.Remove)+len(body.SetsAdd)+len(body.SetsRemove) == 0 {
		return outcomes, nil
	}
	return outcomes, c.send(ctx, d.Target, r, body)
}

// before marks a failure before a change: the change was not sent.
func before(err error) error {
	var e *backend.Error
	if errors.As(err, &e) {
		e.Unsent = true
	}
	return err
}

func refs(ids []string) []setRef {
	var out []setRef
	for _, id := range ids {
		out = append(out, setRef{id})
	}
	return out
}

func (c *Client) send(ctx context.Context, target string, r role, body update) error {
	const doing = "updating a role"
	a, err := c.do(ctx, backend.Call{Operation: "update_role", Doing: doing, Method: c.config.UpdateMethod,
		Path: strings.ReplaceAll(c.config.UpdatePath, "{role}", url.PathEscape(target)), Body: body, Changes: true})
	var e *backend.Error
	if errors.As(err, &e) {
		if e.Kind == backend.Missing { // the role existed a moment ago: a user is missing, or the path is wrong
			e.Kind = backend.Rejected
		}
		return e
	}
	var answer role
	if json.Unmarshal(a.Body, &answer) != nil || answer.ID != target {
		return backend.Unclear(doing, a.Status)
	}
	if r.Name != nil && answer.Name != nil && *answer.Name != *r.Name {
		return &backend.Error{Kind: backend.Transient, Doing: doing, Status: a.Status, Err: errors.New("the role changed its name")}
	}
	return nil
}

package virustotal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
)

type roleChange struct {
	Type    string              `json:"type"`
	ID      string              `json:"id"`
	Context map[string][]string `json:"context_attributes"`
}

var operations = map[backend.Op]string{backend.Add: "add_roles", backend.Remove: "remove_roles", backend.Replace: "roles"}

// Apply implements backend.Backend with one PATCH (vendor's page Manage Roles). A 404 may concern the
// group or one of the users: the caller finds out by halving.
func (c *Client) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	const doing = "changing roles"
	var data []roleChange
	var sent []string
	outcomes := make([]backend.Outcome, len(d.Changes))
	for i, ch := range d.Changes {
		data = append(data, roleChange{"user", ch.Account.ID, map[string][]string{operations[ch.Op]: ch.Roles}})
		sent, outcomes[i] = append(sent, ch.Account.ID), backend.Applied
	}
	a, err := c.caller.Do(ctx, backend.Call{Operation: "change_roles", Doing: doing, Method: http.MethodPatch,
		Path: "/groups/" + url.PathEscape(d.Target) + "/relationships/users", Body: map[string]any{"data": data}, Changes: true})
	var e *backend.Error
	switch {
	case errors.As(err, &e):
		if e.Kind == backend.Missing {
			e.Kind = backend.Rejected
		}
		return nil, e
	case !a.Done(): // the vendor documents a JSON object without properties
		return nil, backend.Unclear(doing, a.Status)
	}
	if err := refusal(doing, a, sent...); err != nil {
		return nil, err
	}
	return outcomes, nil
}

// passing lists the codes that refuse nothing. Whether the entry that has one was applied is unknown
// (vendor's page of errors).
var passing = []string{"TransientError", "TooManyRequestsError", "QuotaExceededError", "DeadlineExceededError", "FailedDependencyError"}

// refusal returns an *Error if a success has an error in the entry of an account that was sent, or of
// no account, as collections do with what they cannot show. An error in the entry of another account,
// which is listed and does not exist any more, refuses nothing.
func refusal(doing string, a backend.Answer, sent ...string) (err error) {
	var answer struct{ Data []json.RawMessage }
	if json.Unmarshal(a.Body, &answer) != nil { // an answer without entries
		return nil
	}
	for _, raw := range answer.Data {
		var i item
		meant := func(id string) bool { return i.ID == "" || backend.Fold(id) == backend.Fold(i.ID) }
		if json.Unmarshal(raw, &i) != nil || !there(i.Error) || !slices.ContainsFunc(sent, meant) {
			continue
		}
		e := &backend.Error{Kind: backend.Rejected, Doing: doing, Status: a.Status, Code: backend.CodeOf(raw)}
		if slices.Contains(passing, e.Code) {
			e.Kind = backend.Transient
			return e
		}
		if err == nil {
			err = e
		}
	}
	return err
}

package virustotal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// maxPages bounds a listing: a vendor whose pages never end is not believed.
const maxPages = 10_000

// Config is how to reach VirusTotal. Caller.URL is https://www.virustotal.com/api/v3 in production; its Header and
// Throttle are set by New.
type Config struct {
	backend.Caller
	APIKey backend.Secret
}

// Client implements backend.Backend.
type Client struct{ caller backend.Caller }

var _ backend.Backend = (*Client)(nil)

// New makes a client. It does not call.
func New(c Config) (*Client, error) {
	if c.APIKey.IsZero() {
		return nil, errors.New("virustotal: an API key is needed")
	}
	c.Header = map[string]backend.Secret{"x-apikey": c.APIKey}
	c.Throttle = quota
	c.Caller.Init()
	return &Client{caller: c.Caller}, nil
}

// quota: a daily quota starts anew at 00:00 UTC (vendor's page on consumption quotas).
func quota(code string, now time.Time) time.Time {
	if code != "QuotaExceededError" {
		return time.Time{}
	}
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// adminRole administers a group.
const adminRole = "USER_ROLE_GROUP_ADMIN"

// Traits implements backend.Backend.
func (c *Client) Traits() backend.Traits {
	return backend.Traits{Replace: true, AdminRole: adminRole, ShowsAll: true, Calls: []string{"list_users", "read_roles", "change_roles", "invite", "remove_member"}}
}

// Ready implements backend.Backend.
func (c *Client) Ready(ctx context.Context) error { return c.caller.Ready(ctx) }

// page is one page of a collection (vendor's page on collections): next is absent on the last one.
type page struct {
	Data []json.RawMessage `json:"data"`
	Meta struct {
		Cursor string `json:"cursor"`
	} `json:"meta"`
	Links struct {
		Next string `json:"next"`
	} `json:"links"`
}

// pages calls each with every item of a collection. The cursor is put into an address of our own: no link of an
// answer is followed.
func (c *Client) pages(ctx context.Context, call backend.Call, query url.Values, each func(json.RawMessage)) error {
	path, cursor := call.Path, ""
	for range maxPages {
		call.Path = path + "?" + query.Encode()
		a, err := c.caller.Do(ctx, call)
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(a.Body, &p); err != nil || p.Data == nil {
			return unclear(call.Doing, a.Status)
		}
		for _, item := range p.Data {
			each(item)
		}
		next := p.Meta.Cursor
		if u, err := url.Parse(p.Links.Next); err == nil && u.Query().Get("cursor") != "" {
			next = u.Query().Get("cursor")
		}
		if next == "" {
			return nil
		}
		if next == cursor {
			return unclear(call.Doing, a.Status)
		}
		cursor = next
		query.Set("cursor", cursor)
	}
	return unclear(call.Doing, 0)
}

func unclear(doing string, status int) error {
	return &backend.Error{Kind: backend.Transient, Doing: doing, Status: status, Err: errors.New("the answer is not what it should be")}
}

type item struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Error      json.RawMessage `json:"error"`
	Attributes struct {
		Email string `json:"email"`
	} `json:"attributes"`
	Context struct {
		Roles json.RawMessage `json:"roles"`
	} `json:"context_attributes"`
}

// Resolve implements backend.Backend: the group's user list, whole. Only the attributes that are needed are asked for,
// since a full user object carries API keys.
func (c *Client) Resolve(ctx context.Context, target string, _ []string) (map[string]backend.Account, error) {
	out := map[string]backend.Account{}
	err := c.pages(ctx, backend.Call{Operation: "list_users", Doing: "listing people", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/users"},
		url.Values{"attributes": {"email,first_name,last_name"}, "limit": {"40"}},
		func(raw json.RawMessage) {
			var i item
			if json.Unmarshal(raw, &i) != nil || i.Error != nil || i.ID == "" || i.Attributes.Email == "" {
				return
			}
			key := backend.Fold(i.Attributes.Email)
			out[key] = backend.Account{ID: i.ID, Key: key}
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Invite implements backend.Backend by adding a member: an address without an account is sent an invitation (vendor's page
// Add users to a group).
func (c *Client) Invite(ctx context.Context, target, email string) error {
	_, err := c.caller.Do(ctx, backend.Call{Operation: "invite", Doing: "inviting somebody", Method: http.MethodPost,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users", Changes: true,
		Body: map[string]any{"data": []map[string]string{{"type": "user", "id": email}}}})
	var e *backend.Error
	if errors.As(err, &e) && e.Status == http.StatusConflict { // a member already
		return nil
	}
	return err
}

// Offboard implements backend.Backend by ending the membership.
func (c *Client) Offboard(ctx context.Context, target string, a backend.Account) error {
	_, err := c.caller.Do(ctx, backend.Call{Operation: "remove_member", Doing: "removing a member", Method: http.MethodDelete,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users/" + url.PathEscape(a.ID), Changes: true})
	var e *backend.Error
	if !errors.As(err, &e) || e.Kind != backend.Missing && e.Kind != backend.Rejected {
		return err
	}
	o, readErr := c.Observe(ctx, target)
	if _, member := o.Members[a.ID]; readErr == nil && o.Complete && !member {
		return nil
	}
	return err
}

// Observe implements backend.Backend. Whether roles are shown depends on the tenant.
func (c *Client) Observe(ctx context.Context, target string) (backend.Observation, error) {
	o := backend.Observation{Members: map[string]backend.Account{}, Holders: map[string][]string{}}
	err := c.pages(ctx, backend.Call{Operation: "read_roles", Doing: "reading roles", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users"}, url.Values{"limit": {"40"}},
		func(raw json.RawMessage) {
			var i item
			if json.Unmarshal(raw, &i) != nil || i.Error != nil || i.ID == "" {
				return
			}
			o.Members[i.ID] = backend.Account{ID: i.ID}
			if i.Context.Roles != nil {
				o.Roles = true
				o.Holders[i.ID] = roles(i.Context.Roles)
			}
		})
	o.Complete = err == nil && len(o.Members) > 0
	if err != nil || o.Roles {
		return o, err
	}
	return o, c.administrators(ctx, target, &o)
}

// administrators reads the one role of which every tenant shows who holds it. A tenant that does not is no failure.
func (c *Client) administrators(ctx context.Context, target string, o *backend.Observation) error {
	var admins []string
	err := c.pages(ctx, backend.Call{Operation: "read_roles", Doing: "reading administrators", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/administrators"}, url.Values{"limit": {"40"}},
		func(raw json.RawMessage) {
			var i item
			if json.Unmarshal(raw, &i) == nil && i.Error == nil && i.ID != "" {
				admins = append(admins, i.ID)
			}
		})
	switch {
	case err == nil && len(admins) > 0: // without one the group could not be read
		o.Only = adminRole
		for _, id := range admins {
			o.Holders[id] = []string{adminRole}
		}
	case err != nil && backend.KindOf(err) != backend.Missing && backend.KindOf(err) != backend.Rejected:
		return err
	}
	return nil
}

// roles reads the forms in which roles may be shown; the vendor documents none.
func roles(raw json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		var byName map[string]json.RawMessage
		if json.Unmarshal(raw, &byName) != nil {
			return nil
		}
		var out []string
		for name, v := range byName {
			if string(v) != "false" && string(v) != "null" {
				out = append(out, name)
			}
		}
		return out
	}
	var out []string
	for _, e := range list {
		var name string
		var object struct {
			Role, Name, ID string
			Granted        *bool
		}
		switch {
		case json.Unmarshal(e, &name) == nil:
		case json.Unmarshal(e, &object) == nil && (object.Granted == nil || *object.Granted):
			name = object.Role + object.Name
			if name == "" {
				name = object.ID
			}
		}
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

type roleChange struct {
	Type    string              `json:"type"`
	ID      string              `json:"id"`
	Context map[string][]string `json:"context_attributes"`
}

var operations = map[backend.Op]string{backend.Add: "add_roles", backend.Remove: "remove_roles", backend.Replace: "roles"}

// Apply implements backend.Backend with one PATCH (vendor's page Manage Roles). A 404 may be the group or one of the
// people: the caller finds out by halving.
func (c *Client) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	var data []roleChange
	outcomes := make([]backend.Outcome, len(d.Changes))
	for i, ch := range d.Changes {
		data = append(data, roleChange{"user", ch.Account.ID, map[string][]string{operations[ch.Op]: ch.Roles}})
		outcomes[i] = backend.Applied
	}
	a, err := c.caller.Do(ctx, backend.Call{Operation: "change_roles", Doing: "changing roles", Method: http.MethodPatch,
		Path: "/groups/" + url.PathEscape(d.Target) + "/relationships/users", Body: map[string]any{"data": data}, Changes: true})
	var e *backend.Error
	switch {
	case errors.As(err, &e):
		if e.Kind == backend.Missing {
			e.Kind = backend.Rejected
		}
		return nil, e
	case len(a.Body) > 0 && !isObject(a.Body):
		return nil, unclear("changing roles", a.Status)
	}
	return outcomes, nil
}

// isObject: the vendor documents a JSON object without properties as the success.
func isObject(body []byte) bool {
	var v map[string]json.RawMessage
	if json.Unmarshal(body, &v) != nil {
		return false
	}
	_, failed := v["error"]
	return !failed
}

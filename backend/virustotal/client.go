package virustotal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// maxPages and maxItems bound a listing: a vendor whose pages never end is not believed.
const (
	maxPages = 10_000
	maxItems = 40 * maxPages
)

// Config is how to reach VirusTotal. Caller.URL is https://www.virustotal.com/api/v3 in production; its Header and
// Throttle are set by New.
type Config struct {
	backend.Caller
	APIKey backend.Secret
}

// Client implements backend.Backend.
type Client struct {
	caller   backend.Caller
	unusable backend.Unusable
}

var _ backend.Backend = (*Client)(nil)

// New makes a client. It does not call.
func New(c Config) (*Client, error) {
	if c.APIKey.IsZero() {
		return nil, errors.New("virustotal: an API key is needed")
	}
	c.Header = map[string]backend.Secret{"x-apikey": c.APIKey}
	c.Throttle = quota
	c.Init()
	return &Client{caller: c.Caller}, nil
}

// earlyHours is for how long after midnight the vendor's day may not have begun: clocks differ, and a pause must not cost another day.
const earlyHours = 10 * time.Minute

// quota: a daily quota starts anew at 00:00 UTC (vendor's page on consumption quotas).
func quota(code string, now time.Time) time.Time {
	day := now.UTC().Truncate(24 * time.Hour)
	if code != "QuotaExceededError" || now.Sub(day) < earlyHours {
		return time.Time{}
	}
	return day.Add(24 * time.Hour)
}

// adminRole administers a group.
const adminRole = "USER_ROLE_GROUP_ADMIN"

// Traits implements backend.Backend.
func (c *Client) Traits() backend.Traits {
	return traits()
}

// Ready implements backend.Backend.
func (c *Client) Ready(ctx context.Context) error { return c.caller.Ready(ctx) }

// page is one page of a collection (vendor's page on collections): next is absent on the last one.
type page struct {
	Data []json.RawMessage `json:"data"`
	Meta struct {
		Cursor string `json:"cursor"`
		Count  any    `json:"count"` // of all, or of this page: the vendor does not say
	} `json:"meta"`
	Links struct {
		Next string `json:"next"`
	} `json:"links"`
	Error json.RawMessage `json:"error"`
}

// next is the cursor of the page after this one, "" if it is the last. A link without a cursor leads on, and nobody knows where.
func (p page) next() (cursor string, known bool) {
	u, err := url.Parse(p.Links.Next)
	if err == nil && u.Query().Get("cursor") != "" {
		return u.Query().Get("cursor"), true
	}
	return p.Meta.Cursor, p.Meta.Cursor != "" || p.Links.Next == ""
}

// pages calls each with every item of a collection that is somebody; one that is neither that nor a refusal to show them makes the
// listing unbelievable. The cursor is put into an address of our own: no link of an answer is followed. The listing is not whole if
// somebody in it may not be seen, or if it was to hold more than it does: it may have changed while it was read.
func (c *Client) pages(ctx context.Context, call backend.Call, query url.Values, each func(item)) (whole bool, err error) {
	err = c.unusable.Read(call.Path+"?"+query.Encode(), c.caller.Now, func() error {
		whole, err = c.allPages(ctx, call, query, each)
		return err
	})
	return whole, err
}

func (c *Client) allPages(ctx context.Context, call backend.Call, query url.Values, each func(item)) (whole bool, err error) {
	path, items, cursors := call.Path, 0, map[string]bool{}
	read := listing{people: map[string]bool{}}
	for range maxPages {
		call.Path = path + "?" + query.Encode()
		a, err := c.caller.Do(ctx, call)
		if err != nil {
			return false, err
		}
		var p page
		if err := json.Unmarshal(a.Body, &p); err != nil || p.Data == nil || there(p.Error) {
			return false, unclear(call.Doing, a.Status)
		}
		if items += len(p.Data); items > maxItems || !read.take(p, each) {
			return false, unclear(call.Doing, a.Status)
		}
		next, known := p.next()
		if !known || cursors[next] { // or round in a circle
			return false, unclear(call.Doing, a.Status)
		}
		if next == "" {
			return !read.withheld && !read.short(), nil
		}
		cursors[next] = true
		query.Set("cursor", next)
	}
	return false, unclear(call.Doing, 0)
}

// listing is what was read of a collection.
type listing struct {
	people   map[string]bool
	gone     int  // who are listed and have no account any more
	withheld bool // somebody may not be seen
	most     int  // how many there were to be
}

// take reads a page. It says whether all of it was understood.
func (l *listing) take(p page, each func(item)) bool {
	for _, raw := range p.Data {
		var i item
		if err := json.Unmarshal(raw, &i); err != nil || i.ID == "" && !there(i.Error) {
			return false
		}
		switch {
		case !there(i.Error):
			l.people[i.ID] = true
			each(i)
		case backend.CodeOf(raw) == notFound:
			l.gone++
		default:
			l.withheld = true
		}
	}
	if count, ok := p.Meta.Count.(float64); ok && int(count) > len(p.Data) { // not of this page alone
		l.most = max(l.most, int(count))
	}
	return true
}

// short says whether there were to be more than were read.
func (l *listing) short() bool { return len(l.people)+l.gone < l.most }

// notFound is what is said of somebody who is listed and has no account any more (vendor's page on relationships).
const notFound = "NotFoundError"

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

// there says whether a value was given: null is none.
func there(raw json.RawMessage) bool { return raw != nil && string(raw) != "null" }

// Resolve implements backend.Backend: the group's user list, whole. Only the attributes that are needed are asked for,
// since a full user object carries API keys.
func (c *Client) Resolve(ctx context.Context, target string, _ []string) (map[string]backend.Account, error) {
	out := map[string]backend.Account{}
	whole, err := c.pages(ctx, backend.Call{Operation: "list_users", Doing: "listing people", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/users"},
		url.Values{"attributes": {"email,first_name,last_name"}, "limit": {"40"}},
		func(i item) {
			key := backend.Fold(i.Attributes.Email)
			if other, twice := out[key]; key == "" || twice && other.ID < i.ID { // of two it is the same one with every listing
				return
			}
			out[key] = backend.Account{ID: i.ID, Key: key}
		})
	if err != nil {
		return nil, backend.Unread(err, backend.Rejected)
	}
	if !whole {
		return out, backend.ErrPartial
	}
	return out, nil
}

// Invite implements backend.Backend by adding a member: an address without an account is sent an invitation (vendor's page
// Add users to a group).
func (c *Client) Invite(ctx context.Context, target, email string) error {
	const doing = "inviting somebody"
	a, err := c.caller.Do(ctx, backend.Call{Operation: "invite", Doing: doing, Method: http.MethodPost,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users", Changes: true,
		Body: map[string]any{"data": []map[string]string{{"type": "user", "id": email}}}})
	switch {
	case err == nil && !a.Done():
		return unclear(doing, a.Status)
	case err == nil:
		err = refusal(doing, a, email)
	}
	var e *backend.Error
	if errors.As(err, &e) && (e.Status == http.StatusConflict || e.Kind == backend.Rejected && e.Code == "AlreadyExistsError") { // a member already
		return nil
	}
	return err
}

// Offboard implements backend.Backend by ending the membership.
func (c *Client) Offboard(ctx context.Context, target string, a backend.Account) error {
	done, err := c.caller.Do(ctx, backend.Call{Operation: "remove_member", Doing: "removing a member", Method: http.MethodDelete,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users/" + url.PathEscape(a.ID), Changes: true})
	if err == nil && !done.Done() {
		return unclear("removing a member", done.Status)
	}
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
	obscure := false
	whole, err := c.pages(ctx, backend.Call{Operation: "read_roles", Doing: "reading roles", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users"}, url.Values{"limit": {"40"}},
		func(i item) {
			o.Members[i.ID] = backend.Account{ID: i.ID}
			if !there(i.Context.Roles) {
				return
			}
			held, understood := roles(i.Context.Roles)
			o.Roles, o.Holders[i.ID] = true, held
			obscure = obscure || !understood
		})
	o.Complete = err == nil && whole && len(o.Members) > 0
	if obscure { // what it shows of somebody may be more than was understood, so it is no evidence of anybody's absence
		o.Roles, o.Holders = false, map[string][]string{}
	}
	if err != nil || o.Roles {
		return o, backend.Unread(err, backend.Rejected)
	}
	err = c.administrators(ctx, target, &o)
	return o, err
}

// administrators reads the one role of which every tenant shows who holds it. A tenant that does not is no failure.
func (c *Client) administrators(ctx context.Context, target string, o *backend.Observation) error {
	var admins []string
	whole, err := c.pages(ctx, backend.Call{Operation: "read_roles", Doing: "reading administrators", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/administrators"}, url.Values{"limit": {"40"}},
		func(i item) { admins = append(admins, i.ID) })
	switch {
	case err == nil && (len(admins) > 0 || !whole): // without one the group could not be read
		o.Only, o.Partial = adminRole, !whole
		for _, id := range admins {
			o.Holders[id] = []string{adminRole}
		}
	case err != nil && !unshown(err):
		return err
	}
	return nil
}

// unshown says whether a failure to read the administrators is that the tenant, or the credential, does not have them.
func unshown(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && (e.Kind == backend.Missing || e.Kind == backend.Rejected || e.Status == http.StatusForbidden)
}

// roles reads the forms in which roles may be shown; the vendor documents none. It says whether it understood all of it.
func roles(raw json.RawMessage) (held []string, understood bool) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		var byName map[string]json.RawMessage
		if json.Unmarshal(raw, &byName) != nil {
			return nil, false
		}
		for name, v := range byName {
			if there(v) && string(v) != "false" {
				held = append(held, name)
			}
		}
		return held, true
	}
	understood = true
	for _, e := range list {
		var name string
		var object struct {
			Role, Name, ID string
			Granted        *bool
		}
		if json.Unmarshal(e, &name) != nil && json.Unmarshal(e, &object) == nil {
			name = roleName(object.Role, object.Name, object.ID)
		}
		switch {
		case name == "":
			understood = false
		case object.Granted == nil || *object.Granted:
			held = append(held, name)
		}
	}
	return held, understood
}

// roleName is which of the names in an entry is the role's own: there may be one for people beside it.
func roleName(names ...string) string {
	for _, n := range names {
		if strings.HasPrefix(n, "USER_ROLE_") {
			return n
		}
	}
	return cmp.Or(names...)
}

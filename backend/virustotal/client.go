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

// Limits of a listing: a faulty vendor may send pages without end.
const (
	maxPages = 10_000
	maxItems = 40 * maxPages
)

// Config is the connection to VirusTotal. Caller.URL is https://www.virustotal.com/api/v3 in production; its Header and
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

// New makes a client. It does not connect.
func New(c Config) (*Client, error) {
	if c.APIKey.IsZero() {
		return nil, errors.New("virustotal: an API key is needed")
	}
	c.Header = map[string]backend.Secret{"x-apikey": c.APIKey}
	c.Throttle = quota
	c.Init()
	return &Client{caller: c.Caller}, nil
}

// earlyHours is the time after midnight in which the vendor's day may not have begun: clocks differ, and
// a pause must not last for another day.
const earlyHours = 10 * time.Minute

// quota returns when a used-up daily quota ends: at 00:00 UTC (vendor's page on consumption quotas).
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

// next returns the cursor of the next page, "" on the last one. The next page is unknown if its link has
// no cursor.
func (p page) next() (cursor string, known bool) {
	u, err := url.Parse(p.Links.Next)
	if err == nil && u.Query().Get("cursor") != "" {
		return u.Query().Get("cursor"), true
	}
	return p.Meta.Cursor, p.Meta.Cursor != "" || p.Links.Next == ""
}

// pages calls each with every account of a collection. It follows no link of an answer: it puts the
// cursor into its own address. An item that is neither an account nor a refusal is an error.
//
// whole is false if the vendor hides an account, or counts more than it shows: the collection may have
// changed during the read.
func (c *Client) pages(ctx context.Context, call backend.Call, query url.Values, each func(item)) (whole bool, err error) {
	err = c.unusable.Read(call.Path+"?"+query.Encode(), c.caller.Now, func() error {
		whole, err = c.allPages(ctx, call, query, each)
		return err
	})
	return whole, err
}

func (c *Client) allPages(ctx context.Context, call backend.Call, query url.Values, each func(item)) (whole bool, err error) {
	path, items, cursors := call.Path, 0, map[string]bool{}
	read := listing{accounts: map[string]bool{}}
	for range maxPages {
		call.Path = path + "?" + query.Encode()
		a, err := c.caller.Do(ctx, call)
		if err != nil {
			return false, err
		}
		var p page
		if err := json.Unmarshal(a.Body, &p); err != nil || p.Data == nil || there(p.Error) {
			return false, backend.Unclear(call.Doing, a.Status)
		}
		if items += len(p.Data); items > maxItems || !read.take(p, each) {
			return false, backend.Unclear(call.Doing, a.Status)
		}
		next, known := p.next()
		if !known || cursors[next] { // the pages go in a circle
			return false, backend.Unclear(call.Doing, a.Status)
		}
		if next == "" {
			return !read.hidden && !read.short(), nil
		}
		cursors[next] = true
		query.Set("cursor", next)
	}
	return false, backend.Unclear(call.Doing, 0)
}

// listing is a collection as far as it was read.
type listing struct {
	accounts map[string]bool
	gone     int  // items whose account does not exist any more
	hidden   bool // the vendor hides an account
	most     int  // the vendor's own count
}

// take reads a page. It reports whether it understood all items.
func (l *listing) take(p page, each func(item)) bool {
	for _, raw := range p.Data {
		var i item
		if err := json.Unmarshal(raw, &i); err != nil || i.ID == "" && !there(i.Error) {
			return false
		}
		switch {
		case !there(i.Error):
			l.accounts[i.ID] = true
			each(i)
		case backend.CodeOf(raw) == notFound:
			l.gone++
		default:
			l.hidden = true
		}
	}
	if count, ok := p.Meta.Count.(float64); ok && int(count) > len(p.Data) { // not the count of this page
		l.most = max(l.most, int(count))
	}
	return true
}

// short reports whether the vendor counts more than it showed.
func (l *listing) short() bool { return len(l.accounts)+l.gone < l.most }

// notFound is the code of a listed account that does not exist any more (vendor's page on relationships).
const notFound = "NotFoundError"

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

// there reports whether a value was given: null is none.
func there(raw json.RawMessage) bool { return raw != nil && string(raw) != "null" }

// Resolve implements backend.Backend with the group's whole user list. It requests only the attributes
// that it needs: a full user object has API keys.
func (c *Client) Resolve(ctx context.Context, target string, _ []string) (map[string]backend.Account, error) {
	out := map[string]backend.Account{}
	whole, err := c.pages(ctx, backend.Call{Operation: "list_users", Doing: "listing users", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/users"},
		url.Values{"attributes": {"email,first_name,last_name"}, "limit": {"40"}},
		func(i item) {
			key := backend.Fold(i.Attributes.Email)
			if other, twice := out[key]; key == "" || twice && other.ID < i.ID { // of two, the same one in every listing
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

// Invite implements backend.Backend by adding a member: the vendor sends an invitation to an address
// without an account (vendor's page Add users to a group).
func (c *Client) Invite(ctx context.Context, target, email string) error {
	const doing = "inviting a user"
	a, err := c.caller.Do(ctx, backend.Call{Operation: "invite", Doing: doing, Method: http.MethodPost,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/users", Changes: true,
		Body: map[string]any{"data": []map[string]string{{"type": "user", "id": email}}}})
	switch {
	case err == nil && !a.Done():
		return backend.Unclear(doing, a.Status)
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
		return backend.Unclear("removing a member", done.Status)
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
	if obscure { // an account may have more roles than were understood, so nothing proves an absence
		o.Roles, o.Holders = false, map[string][]string{}
	}
	if err != nil || o.Roles {
		return o, backend.Unread(err, backend.Rejected)
	}
	err = c.administrators(ctx, target, &o)
	return o, err
}

// administrators reads the one role whose holders every tenant should show. A tenant that does not is no failure.
func (c *Client) administrators(ctx context.Context, target string, o *backend.Observation) error {
	var admins []string
	whole, err := c.pages(ctx, backend.Call{Operation: "read_roles", Doing: "reading administrators", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(target) + "/relationships/administrators"}, url.Values{"limit": {"40"}},
		func(i item) { admins = append(admins, i.ID) })
	switch {
	case err == nil && (len(admins) > 0 || !whole): // every group has an administrator
		o.Only, o.Partial = adminRole, !whole
		for _, id := range admins {
			o.Holders[id] = []string{adminRole}
		}
	case err != nil && !unshown(err):
		return err
	}
	return nil
}

// unshown reports whether the tenant, or the credential, cannot read the administrators.
func unshown(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && (e.Kind == backend.Missing || e.Kind == backend.Rejected || e.Status == http.StatusForbidden)
}

// roles reads the forms in which roles may be shown; the vendor documents none. It reports whether it understood every entry.
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

// roleName returns the role's own name in an entry, which may also have a display name.
func roleName(names ...string) string {
	for _, n := range names {
		if strings.HasPrefix(n, "USER_ROLE_") {
			return n
		}
	}
	return cmp.Or(names...)
}

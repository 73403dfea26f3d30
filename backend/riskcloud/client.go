package riskcloud

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/scimbridge/scimbridge/backend"
)

// Member is the name in the ledger of the one role of a target: at Risk Cloud the target is the role.
const Member = "member"

// Limits of a list that comes in pages: a faulty vendor may send pages without end.
const (
	maxPages = 1000
	maxPaged = 64 << 20 // bytes
)

// Config is the connection to Risk Cloud. Either Token or ClientID and ClientSecret are set.
type Config struct {
	backend.Caller
	ClientID, ClientSecret backend.Secret
	Token                  backend.Secret
	UpdateMethod           string // "": PUT
	UpdatePath             string // "": /api/v1/roles/{role}
}

// Client implements backend.Backend.
type Client struct {
	caller   backend.Caller
	config   Config
	unusable backend.Unusable

	tokens sync.Mutex // held while a token is made: one at a time
	token  backend.Secret
}

var _ backend.Backend = (*Client)(nil)

// New makes a client. It does not connect.
func New(c Config) (*Client, error) {
	if c.Token.IsZero() && (c.ClientID.IsZero() || c.ClientSecret.IsZero()) {
		return nil, errors.New("riskcloud: client id and secret, or a token, are needed")
	}
	if c.UpdateMethod == "" {
		c.UpdateMethod = http.MethodPut
	}
	if c.UpdatePath == "" {
		c.UpdatePath = "/api/v1/roles/{role}"
	}
	if !strings.Contains(c.UpdatePath, "{role}") {
		return nil, errors.New("riskcloud: the path of the role update must contain {role}")
	}
	c.Init()
	return &Client{caller: c.Caller, config: c, token: c.Token}, nil
}

// Traits implements backend.Backend.
func (c *Client) Traits() backend.Traits {
	return traits()
}

// Ready implements backend.Backend.
func (c *Client) Ready(ctx context.Context) error { return c.caller.Ready(ctx) }

// bearer returns the token. It requests one if there is none or the last one was refused, one at a
// time: a new token may invalidate the old one.
func (c *Client) bearer(ctx context.Context, refused backend.Secret) (backend.Secret, error) {
	c.tokens.Lock()
	defer c.tokens.Unlock()
	if !c.token.IsZero() && c.token != refused {
		return c.token, nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte(c.config.ClientID.Reveal() + ":" + c.config.ClientSecret.Reveal()))
	a, err := c.caller.Do(ctx, backend.Call{Operation: "token", Doing: "getting a token", Method: http.MethodPost,
		Path: "/api/v1/account/token", Header: map[string]backend.Secret{"Authorization": backend.NewSecret("Basic " + basic)}})
	if err != nil {
		return backend.Secret{}, withoutToken(err)
	}
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(a.Body, &t) != nil || t.AccessToken == "" {
		return backend.Secret{}, backend.Unclear("getting a token", a.Status)
	}
	c.token = backend.NewSecret(t.AccessToken)
	return c.token, nil
}

// withoutToken makes every refusal of the credential Unauthorized: it concerns all targets, with any
// status.
func withoutToken(err error) error {
	var e *backend.Error
	if !errors.As(err, &e) || e.Kind == backend.Transient || e.Kind == backend.Throttled {
		return err
	}
	if e.Kind = backend.Unauthorized; e.Status == http.StatusForbidden { // a 403 would concern one target
		e.Status, e.Err = 0, errors.New("refused with status 403")
	}
	return err
}

// do makes a call with the token, and again with a new one after a 401.
func (c *Client) do(ctx context.Context, call backend.Call) (backend.Answer, error) {
	token, err := c.bearer(ctx, backend.Secret{})
	if err != nil {
		return backend.Answer{}, before(err)
	}
	call.Header = bearerHeader(token)
	a, err := c.caller.Do(ctx, call)
	if a.Status != http.StatusUnauthorized || !c.config.Token.IsZero() {
		return a, err
	}
	if token, err = c.bearer(ctx, token); err != nil {
		return backend.Answer{}, err
	}
	call.Header = bearerHeader(token)
	return c.caller.Do(ctx, call)
}

func bearerHeader(token backend.Secret) map[string]backend.Secret {
	return map[string]backend.Secret{"Authorization": backend.NewSecret("Bearer " + token.Reveal())}
}

func refused(code string) error {
	return &backend.Error{Kind: backend.Rejected, Doing: "updating a role", Code: code, Unsent: true}
}

// list reads a list that comes as a plain array or in pages: {"content": [...], "number", "last",
// "totalPages"}, or {"content": [...], "page": {"totalPages"}} as in version 2.
//
// total is the number of elements by the vendor's count, 0 without one. A list that changes during the
// read may have fewer. An element that keep refuses makes the list unusable.
func list[T any](ctx context.Context, c *Client, operation, doing, path string, keep func(T) bool) (out []T, total int, err error) {
	err = c.unusable.Read(path, c.caller.Now, func() error {
		out, total, err = listOnce(ctx, c, operation, doing, path, keep)
		return err
	})
	return out, total, err
}

func listOnce[T any](ctx context.Context, c *Client, operation, doing, path string, keep func(T) bool) (out []T, total int, err error) {
	var earlier []byte
	size := 0
	for n := range maxPages {
		p := page[T]{keep: keep}
		call := backend.Call{Operation: operation, Doing: doing, Method: http.MethodGet, Path: path, List: true, Read: p.read}
		if n > 0 {
			call.Path = fmt.Sprintf("%s?page=%d", path, n)
		}
		a, err := c.do(ctx, call)
		if err != nil {
			return nil, 0, err
		}
		if n == 0 && p.plain {
			return p.content, 0, nil
		}
		pages, empty := max(p.Pages, p.page.Pages), p.elements == 0
		if size += p.size; p.plain || size > maxPaged || p.number != nil && *p.number != n || empty && n+1 < pages || n > 0 && bytes.Equal(p.sum, earlier) {
			return nil, 0, backend.Unclear(doing, a.Status) // also if a vendor without pages repeats its answer
		}
		earlier = p.sum
		out, total = append(out, p.content...), max(total, p.Elements, p.page.Elements)
		if p.last != nil && *p.last || p.last == nil && n+1 >= pages || empty {
			return out, total, nil
		}
	}
	return nil, 0, backend.Unclear(doing, 0)
}

// counts are the totals in a page.
type counts struct {
	Pages    int `json:"totalPages"`
	Elements int `json:"totalElements"`
}

// user is an account of the user list. The key status occurs twice in the vendor's JSON; the last one counts.
type user struct {
	ID              string   `json:"id"`
	Email           string   `json:"email"`
	Status          string   `json:"status"`
	Autoprovisioned bool     `json:"autoprovisioned"`
	RoleIDs         []string `json:"roleIds"`
}

type role struct {
	ID              string            `json:"id"`
	Name            *string           `json:"name"`
	Locked          bool              `json:"locked"`
	SuperAdmin      bool              `json:"superAdmin"`
	Autoprovisioned bool              `json:"autoprovisioned"`
	Users           []user            `json:"users"`
	UserCount       *int              `json:"userCount"`
	Entitlements    []json.RawMessage `json:"moduleEntitlements"`
}

// listUsers reads all accounts; whole reports whether a missing one does not exist.
func (c *Client) listUsers(ctx context.Context) (users map[string]user, whole bool, err error) {
	all, total, err := list(ctx, c, "list_users", "listing users", "/api/v1/users", func(u user) bool { return u.ID != "" })
	if err != nil {
		return nil, false, backend.Unread(err, backend.Rejected, backend.Missing)
	}
	users = make(map[string]user, len(all))
	for _, u := range all {
		users[u.ID] = u
	}
	return users, len(users) > 0 && len(users) >= total, nil
}

// Resolve implements backend.Backend.
func (c *Client) Resolve(ctx context.Context, _ string, _ []string) (map[string]backend.Account, error) {
	users, whole, err := c.listUsers(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]backend.Account{}
	for id, u := range users {
		a := backend.Account{ID: id, Key: backend.Fold(u.Email), Status: u.Status}
		if other, twice := out[a.Key]; a.Key != "" && (!twice || rather(a, other)) {
			out[a.Key] = a
		}
	}
	if !whole {
		return out, backend.ErrPartial
	}
	return out, nil
}

// rather reports whether a is preferred to b, which has the same address: a user who came back may have
// an old account too. An active account wins; of two alike the choice does not depend on their order.
func rather(a, b backend.Account) bool {
	if active := a.Status == "Active"; active != (b.Status == "Active") {
		return active
	}
	return a.ID < b.ID
}

func (c *Client) role(ctx context.Context, id string) (role, bool, error) {
	all, total, err := list(ctx, c, "list_roles", "reading roles", "/api/v1/roles", func(role) bool { return true })
	if err != nil {
		return role{}, false, backend.Unread(err, backend.Rejected, backend.Missing)
	}
	for _, r := range all {
		if r.ID == id {
			return r, true, nil
		}
	}
	// Every tenant has roles, and every role an id. Otherwise the list proves nothing.
	if len(all) == 0 || len(all) < total || slices.ContainsFunc(all, func(r role) bool { return r.ID == "" }) {
		return role{}, false, backend.Unclear("reading roles", http.StatusOK)
	}
	return role{}, false, nil
}

// Invite implements backend.Backend by creating a user without roles (vendor's help on creating users).
func (c *Client) Invite(ctx context.Context, _, email string) error {
	name, _, _ := strings.Cut(email, "@")
	a, err := c.do(ctx, backend.Call{Operation: "create_user", Doing: "making an account", Method: http.MethodPost, Path: "/api/v1/users", Changes: true,
		Body: map[string]any{"active": true, "status": "Active", "tier": "SECONDARY", "valueType": "User", "sendEmail": true, "email": email, "first": name, "last": name, "company": ""}})
	if err == nil && !a.Done() {
		return backend.Unclear("making an account", a.Status)
	}
	return err
}

// Offboard implements backend.Backend by disabling the user.
func (c *Client) Offboard(ctx context.Context, _ string, a backend.Account) error {
	done, err := c.do(ctx, backend.Call{Operation: "disable_user", Doing: "disabling an account", Method: http.MethodPut,
		Path: "/api/v1/users/disable/" + url.PathEscape(a.ID), Changes: true})
	if err == nil && !done.Done() {
		return backend.Unclear("disabling an account", done.Status)
	}
	var e *backend.Error
	if errors.As(err, &e) && e.Kind == backend.Missing {
		if users, whole, listErr := c.listUsers(ctx); listErr == nil && whole {
			if _, there := users[a.ID]; !there {
				return nil
			}
		}
	}
	return err
}

// Observe implements backend.Backend. A role whose users are left out although it counts some does not show them.
func (c *Client) Observe(ctx context.Context, target string) (backend.Observation, error) {
	r, ok, err := c.role(ctx, target)
	if err == nil && !ok {
		err = &backend.Error{Kind: backend.Missing, Doing: "reading roles"}
	}
	if err != nil {
		return backend.Observation{}, err
	}
	users, whole, err := c.listUsers(ctx)
	if err != nil {
		return backend.Observation{}, err
	}
	o := backend.Observation{Members: map[string]backend.Account{}, Holders: map[string][]string{}, Roles: r.shows(), Complete: whole}
	if r.UserCount != nil {
		o.Count = *r.UserCount
	}
	for id, u := range users {
		o.Members[id] = backend.Account{ID: id, Key: backend.Fold(u.Email), Status: u.Status}
		if !r.shows() && slices.Contains(u.RoleIDs, target) {
			o.Holders[id] = []string{Member}
		}
	}
	for _, u := range r.Users {
		if u.ID != "" {
			o.Holders[u.ID] = []string{Member}
		}
	}
	if !o.Roles { // a tenant may show the roles with the users: trusted if there are as many as the role counts
		o.Roles = r.UserCount != nil && *r.UserCount > 0 && len(o.Holders) == *r.UserCount
	}
	return o, nil
}

// shows reports whether the users of a role can be trusted: they are as many as the role counts. Without
// a count an empty list cannot.
func (r role) shows() bool {
	people := map[string]bool{}
	for _, u := range r.Users {
		if u.ID == "" {
			return false
		}
		people[u.ID] = true
	}
	if r.UserCount == nil {
		return len(people) > 0
	}
	return *r.UserCount == len(people)
}

func (r role) holds(id string) bool {
	for _, u := range r.Users {
		if u.ID == id {
			return true
		}
	}
	return false
}

// refusal returns the code of a role that Scimbridge does not change; "" for others. A locked role only loses users.
func (r role) refusal() string {
	switch {
	case r.SuperAdmin:
		return "super_admin"
	case r.Autoprovisioned:
		return "managed_elsewhere"
	}
	for _, e := range r.Entitlements {
		if strings.Contains(string(e), `"ADMIN_ALL"`) {
			return "super_admin"
		}
	}
	return ""
}

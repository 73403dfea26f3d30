package virustotal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/examine"
)

var _ examine.Examiner = (*Client)(nil)

// Examine implements examine.Examiner: whether the key may read each group, and sees e-mail addresses and roles.
func (c *Client) Examine(ctx context.Context, groups []string) []examine.Finding {
	var out []examine.Finding
	for _, g := range groups {
		for _, f := range c.examine(ctx, g) {
			f.Target = g
			out = append(out, f)
		}
	}
	if len(groups) == 0 {
		out = append(out, examine.Finding{Level: examine.Note, What: "no rule names a group: the connection was not tried", Remedy: "name one in `target`"})
	}
	return out
}

func (c *Client) examine(ctx context.Context, group string) []examine.Finding {
	remedies := map[backend.ErrorKind]string{
		backend.Unauthorized: "use the API key of an administrator of this group; virustotal.com shows a key to its owner under API key",
		backend.Missing:      "correct `target`: it is the group's id, as in the address of its page, not its name",
		backend.Throttled:    "the key's quota is used up: wait, lower `rate_limit`, or ask the vendor for more",
		backend.Transient:    "check whether this machine reaches the vendor: proxy, firewall, name resolution",
	}
	users, emails := 0, 0
	a, err := c.caller.Do(ctx, backend.Call{Operation: "list_users", Doing: "listing users", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(group) + "/users?" + url.Values{"attributes": {"email"}, "limit": {"40"}}.Encode()})
	if err != nil {
		return []examine.Finding{examine.Refused("group "+group, err, remedies)}
	}
	var p page
	read := listing{accounts: map[string]bool{}}
	if json.Unmarshal(a.Body, &p) != nil || p.Data == nil || !read.take(p, func(i item) {
		users++
		if i.Attributes.Email != "" {
			emails++
		}
	}) {
		return []examine.Finding{{Level: examine.Problem, What: "group " + group + ": the answer is not a list of users", Remedy: "check `url`: it ends in /api/v3"}}
	}
	next, _ := p.next()
	partial := read.hidden || next == "" && read.short()
	switch {
	case users == 0 && partial:
		return []examine.Finding{examine.Partial("group " + group)}
	case users == 0:
		return []examine.Finding{{Level: examine.Note, What: "group " + group + " has no members", Remedy: "users must be members before they get roles: `on_missing_user: invite` invites them"}}
	case emails == 0:
		return []examine.Finding{{Level: examine.Problem, What: fmt.Sprintf("group %s: the key does not see the e-mail addresses of its %d users", group, users), Remedy: remedies[backend.Unauthorized]}}
	}
	return append([]examine.Finding{{Level: examine.Fine, What: fmt.Sprintf("group %s: %d of the first %d users have an e-mail address", group, emails, users)}}, c.examineRoles(ctx, group, partial)...)
}

// examineRoles checks the roles that a group shows; partial says that its user list is incomplete.
func (c *Client) examineRoles(ctx context.Context, group string, partial bool) (out []examine.Finding) {
	o, err := c.Observe(ctx, group)
	if err != nil {
		return []examine.Finding{examine.Refused("roles of group "+group, err, nil)}
	}
	if partial || !o.Complete {
		out = append(out, examine.Partial("group "+group))
	}
	switch {
	case o.Roles:
		return append(out, examine.Finding{Level: examine.Fine, What: "group " + group + " shows the roles of its members"})
	case o.Partial:
		return append(out, examine.Finding{Level: examine.Note, What: "group " + group + " does not show all of its administrators, and no other roles: the removal of an administrator is held", Remedy: "use the key of an administrator who may see them all, or ask the vendor which users it counts"})
	case o.Only != "":
		return append(out, examine.Finding{Level: examine.Note, What: "group " + group + " shows its administrators and no other roles", Remedy: "nothing to do; drift of the other roles is not seen"})
	}
	return append(out, examine.Finding{Level: examine.Note, What: "group " + group + " shows no roles", Remedy: "nothing to do; drift is not seen, and the last administrator is not known"})
}

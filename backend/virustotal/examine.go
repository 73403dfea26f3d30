package virustotal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/scimbridge/scimbridge/backend"
)

var _ backend.Examiner = (*Client)(nil)

// Examine implements backend.Examiner: for each group, whether the key may read it, sees e-mail addresses, and sees roles.
func (c *Client) Examine(ctx context.Context, groups []string) []backend.Finding {
	var out []backend.Finding
	for _, g := range groups {
		for _, f := range c.examine(ctx, g) {
			f.Target = g
			out = append(out, f)
		}
	}
	if len(groups) == 0 {
		out = append(out, backend.Finding{Level: backend.Note, What: "no mapping names a group, so nothing was tried", Remedy: "name one in `target`"})
	}
	return out
}

func (c *Client) examine(ctx context.Context, group string) []backend.Finding {
	remedies := map[backend.ErrorKind]string{
		backend.Unauthorized: "use the API key of an administrator of this group; a key is shown to its owner at virustotal.com under API key",
		backend.Missing:      "correct `target`: it is the group's id, as in the address of its page, not its name",
		backend.Throttled:    "the key's quota is used up: wait, lower `rate_limit`, or ask the vendor for more",
		backend.Transient:    "see whether this machine reaches the vendor: proxy, firewall, name resolution",
	}
	people, emails := 0, 0
	a, err := c.caller.Do(ctx, backend.Call{Operation: "list_users", Doing: "listing people", Method: http.MethodGet,
		Path: "/groups/" + url.PathEscape(group) + "/users?" + url.Values{"attributes": {"email"}, "limit": {"40"}}.Encode()})
	if err != nil {
		return []backend.Finding{backend.Refused("group "+group, err, remedies)}
	}
	var p page
	read := listing{people: map[string]bool{}}
	if json.Unmarshal(a.Body, &p) != nil || p.Data == nil || !read.take(p, func(i item) {
		people++
		if i.Attributes.Email != "" {
			emails++
		}
	}) {
		return []backend.Finding{{Level: backend.Problem, What: "group " + group + ": the answer is not a list of people", Remedy: "see whether `url` ends in /api/v3"}}
	}
	next, _ := p.next()
	partial := read.withheld || next == "" && read.short()
	switch {
	case people == 0 && partial:
		return []backend.Finding{backend.Partial("group " + group)}
	case people == 0:
		return []backend.Finding{{Level: backend.Note, What: "group " + group + " has no members", Remedy: "people must be members before they get roles: `on_missing_user: invite` asks them"}}
	case emails == 0:
		return []backend.Finding{{Level: backend.Problem, What: fmt.Sprintf("group %s: the key does not see the e-mail addresses of its %d people", group, people), Remedy: remedies[backend.Unauthorized]}}
	}
	return append([]backend.Finding{{Level: backend.Fine, What: fmt.Sprintf("group %s: %d of the first %d people have an e-mail address", group, emails, people)}}, c.examineRoles(ctx, group, partial)...)
}

// examineRoles looks at the roles that a group shows; partial says that the list in which people are found is not whole.
func (c *Client) examineRoles(ctx context.Context, group string, partial bool) (out []backend.Finding) {
	o, err := c.Observe(ctx, group)
	if err != nil {
		return []backend.Finding{backend.Refused("roles of group "+group, err, nil)}
	}
	if partial || !o.Complete {
		out = append(out, backend.Partial("group "+group))
	}
	switch {
	case o.Roles:
		return append(out, backend.Finding{Level: backend.Fine, What: "group " + group + " shows who has which role"})
	case o.Partial:
		return append(out, backend.Finding{Level: backend.Note, What: "group " + group + " shows not all of its administrators, and no other roles: that one of them loses the role is held", Remedy: "use the key of an administrator who may see them all, or ask the vendor whom it counts"})
	case o.Only != "":
		return append(out, backend.Finding{Level: backend.Note, What: "group " + group + " shows its administrators and no other roles", Remedy: "nothing: drift of the others is not seen"})
	}
	return append(out, backend.Finding{Level: backend.Note, What: "group " + group + " shows no roles", Remedy: "nothing: drift is not seen, and no account is known to be the last administrator"})
}

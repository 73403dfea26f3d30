package bridge

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/console"
)

// askProviders has the running server say what it ignored of the requests of each identity
// provider, and what may have been meant otherwise.
func (d *doctor) askProviders(ctx context.Context) {
	o, err := newOperatorClient(d.file)
	var s console.Status
	if err == nil {
		err = o.call(ctx, http.MethodGet, "/api/status", &s)
	}
	if err != nil {
		d.say("server", backend.Finding{Level: backend.Note, What: "the running server could not be asked about identity providers: " + err.Error(), Remedy: "run the doctor as the user who runs the server"})
		return
	}
	for _, p := range s.IdentityProviders {
		d.say("identity provider "+p.Name, providerFindings(p)...)
	}
}

// providerFindings is what there is to say of the requests of an identity provider.
func providerFindings(p console.ProviderStatus) (out []backend.Finding) {
	note := func(what, remedy string) {
		out = append(out, backend.Finding{Level: backend.Note, What: what, Remedy: remedy})
	}
	if o := p.Omitted; o != nil {
		note(fmt.Sprintf("%d PUT(s) left out the members of a group that has some, the last on %s: they stay", o.Count, moment(o.Last)),
			"if the client leaves an empty list out, as SCIM-SDK does, set "+o.Key+": clear")
	}
	if len(p.Ignored) > 0 {
		names := make([]string, len(p.Ignored))
		for i, a := range p.Ignored {
			names[i] = fmt.Sprintf("%s (%d)", a.Name, a.Count)
		}
		note("attributes that the schemas do not know were ignored since the server started: "+strings.Join(names, ", "),
			"correct the mapping at the identity provider if one of them is a misspelling")
	}
	if u := p.UnknownMembers; u.Members > 0 {
		note(fmt.Sprintf("%d member(s) of %d group(s) are no users, the most of %q: they get nothing", u.Members, u.Groups, u.Largest[0].Name),
			"scimbridge group show NAME lists some; push those users, or let the client send the ids that it was given")
	}
	return out
}

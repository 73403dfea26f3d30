package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// askRules asks the running server which rules of the file give nothing, with its directory and with
// what it knows of the vendors.
func (d *examination) askRules(ctx context.Context) {
	file, err := config.ReadFile(d.File)
	if err != nil || len(d.config.Mappings) == 0 {
		return
	}
	server, err := d.Server()
	ctx, cancel := context.WithTimeout(ctx, maxDuration)
	defer cancel()
	var plan []desk.Preview
	if err == nil {
		plan, err = server.Plan(ctx, d.File, file)
	}
	if err != nil {
		d.say("mappings", examine.Finding{Level: examine.Note, What: "the running server gives no plan of the rules: " + err.Error(), Remedy: "run the doctor as the user who runs the server"})
		return
	}
	for _, p := range plan {
		for _, what := range p.Rules {
			d.say(p.Backend, examine.Finding{Level: examine.Note, What: what, Remedy: "fix the rule, or the group or role that it names, at the identity provider or the vendor"})
		}
	}
}

// askProviders asks the running server what it ignored in the requests of each identity provider,
// and which requests may have meant something else.
func (d *examination) askProviders(ctx context.Context) {
	server, err := d.Server()
	var s console.Status
	if err == nil {
		s, err = server.Status(ctx)
	}
	if err != nil {
		d.say("server", examine.Finding{Level: examine.Note, What: "the running server gives no status of the identity providers: " + err.Error(), Remedy: "run the doctor as the user who runs the server"})
		return
	}
	for _, p := range s.IdentityProviders {
		d.say("identity provider "+p.Name, providerFindings(p)...)
	}
}

// providerFindings returns the findings about the requests of one identity provider.
func providerFindings(p console.ProviderStatus) (out []examine.Finding) {
	note := func(what, remedy string) {
		out = append(out, examine.Finding{Level: examine.Note, What: what, Remedy: remedy})
	}
	if o := p.Omitted; o != nil {
		note(fmt.Sprintf("%d PUT(s) left out the members of a group that has some, the last on %s: they stay", o.Count, o.Last.UTC().Format(time.RFC3339)),
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
		note(fmt.Sprintf("%d member(s) of %d group(s) are no users, most of them of %q: they get no grants", u.Members, u.Groups, u.Largest[0].Name),
			"scimbridge group show NAME lists some; push those users, or let the client send the ids that it was given")
	}
	return out
}

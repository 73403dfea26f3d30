package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
)

// backends examines every configured vendor.
func (d *examination) backends(ctx context.Context) {
	canary := d.CanaryRole
	file, err := config.ReadFile(d.File)
	var rules *mapping.Rules
	if err == nil {
		rules, err = d.config.Propose(d.File, file)
	}
	if err != nil {
		d.say("mappings", bad(err.Error(), "scimbridge check"))
		return
	}
	d.rules = rules
	tried := canary == ""
	for _, name := range slices.Sorted(maps.Keys(d.config.Backends)) {
		c := d.config.Backends[name]
		if c.Simulated() {
			continue // a warning of the configuration says so
		}
		client, err := bridge.Connect(d.config, name)
		way, wayErr := c.Connection()
		if err := cmp.Or(err, wayErr); err != nil {
			finding := bad(err.Error(), "scimbridge check")
			if errors.As(err, new(config.AbsentError)) {
				finding = untried(err)
			}
			d.say(name, finding)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, maxDuration)
		d.say(name, d.connection(limited, c.URL, way)...)
		d.say(name, d.examine(limited, name, client, rules)...)
		if finder, ok := client.(backend.UpdateFinder); ok && canary != "" {
			d.say(name, tryCanary(limited, finder, canary, c))
			tried = true
		}
		cancel()
	}
	if !tried {
		d.say("canary role", bad("no backend is a Risk Cloud that is not simulated", "leave out --canary-role, or set `url` to the vendor's"))
	}
}

func (d *examination) examine(ctx context.Context, name string, client backend.Backend, rules *mapping.Rules) []examine.Finding {
	e, ok := client.(examine.Examiner)
	if !ok {
		return nil
	}
	out := e.Examine(ctx, rules.FixedTargets(name))
	c := d.config.Backends[name]
	traits := d.Kinds[c.Kind].Traits
	if traits.FixedRole != "" { // only the vendor knows the role's name
		out = append(out, pinAdministrators(out, name, rules)...)
	}
	if c.OwnAccount == "" && traits.OwnAccount {
		out = append(out, examine.Finding{Level: examine.Note, What: "own_account is not set, and the API does not say whose key it is",
			Remedy: "name the owner of the key in `own_account`: Scimbridge then never revokes a role of this account"})
	}
	return out
}

// pinAdministrators recommends pin for rules that grant by name what only the vendor's name shows
// to be an administrator's role.
func pinAdministrators(found []examine.Finding, name string, rules *mapping.Rules) (out []examine.Finding) {
	for _, f := range found {
		if f.Target == "" || f.Level == examine.Problem || !config.LooksLikeAdmin(f.What) {
			continue
		}
		for _, r := range rules.Naming(mapping.Target{Backend: name, Target: f.Target}) {
			if !r.Pin && r.ExternalID == "" && r.ID == "" {
				out = append(out, examine.Finding{Level: examine.Note, Target: f.Target, What: "role " + f.Target + " looks like an administrator's, and any group with a certain name grants it",
					Remedy: "pin: true lets no other group take the name"})
				break
			}
		}
	}
	return out
}

// connection checks the vendor's certificate and the clock.
func (d *examination) connection(ctx context.Context, address string, way backend.Outgoing) []examine.Finding {
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Timeout: 10 * time.Second, Transport: way.Transport(), CheckRedirect: noRedirect}
	sent := time.Now()
	res, err := client.Do(request(ctx, address))
	if err != nil {
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return []examine.Finding{bad("its certificate is not trusted: "+certificate.Err.Error(), "a proxy that opens TLS? let this host through, or name its authority in `ca_file`")}
		}
		if errors.Is(err, backend.ErrAddress) {
			return []examine.Finding{bad(backend.ErrAddress.Error(), "correct `url` or the name service: such addresses hand out credentials of this machine")}
		}
		return []examine.Finding{bad("it cannot be reached", "check whether this machine reaches the vendor: proxy, firewall, name resolution")}
	}
	defer func() { _ = res.Body.Close() }() // of no further use
	var out []examine.Finding
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		out = append(out, lasts("its certificate", res.TLS.PeerCertificates[0], sent))
	}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if skew := sent.Sub(date).Abs(); skew > muchSkew {
			out = append(out, bad(fmt.Sprintf("the clock of this machine differs from the vendor's by %s", skew.Round(time.Second)), "set the clock: windows and tokens depend on it"))
		} else {
			out = append(out, fine("the clocks agree"))
		}
	}
	return out
}

// tryCanary finds out how the tenant accepts the update of a role.
func tryCanary(ctx context.Context, finder backend.UpdateFinder, role string, c *config.Backend) examine.Finding {
	way, err := finder.FindUpdate(ctx, role)
	if err != nil {
		return bad("role "+role+": "+err.Error(), "Scimbridge cannot change roles before this is fixed")
	}
	line := fmt.Sprintf("update_role: {method: %s, path: %q}", way.Method, way.Path)
	if method, path := c.UpdateRole.Method, c.UpdateRole.Path; strings.EqualFold(method, way.Method) && path == way.Path {
		return fine("the tenant accepts the configured update: %s", line)
	}
	return bad("the tenant accepts the update of a role in another way than configured", "write into the configuration: "+line)
}

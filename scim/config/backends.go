package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// mode checks the mode of a backend.
func (v *validation) mode(name, mode string) {
	if allowed := []string{"observe", "add_only", "sync"}; !slices.Contains(allowed, mode) {
		v.bad([]string{"backends", name, "mode"}, "%q is not one of %s", legible.Clip(mode), strings.Join(allowed, ", "))
	}
}

func (v *validation) backend(name string, c *Backend) {
	path := []string{"backends", name}
	at := func(key ...string) []string { return append(slices.Clone(path), key...) }
	if !plainName.MatchString(name) {
		v.bad(path, "a name is 1 to 64 letters, digits, dots, dashes and underscores")
	}
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			v.bad(at(strings.Split(key, ".")...), "%q is not one of %s", legible.Clip(value), strings.Join(allowed, ", "))
		}
	}
	if c.Mode == "" {
		v.bad(at("mode"), "is missing: say what may happen there, one of observe, add_only, sync")
	} else {
		v.mode(name, c.Mode)
	}
	oneOf("kind", c.Kind, slices.Sorted(maps.Keys(v.kinds))...)
	oneOf("match", c.Match, "email", "userName", "externalId")
	if _, err := backend.ParseRate(c.RateLimit); err != nil {
		v.bad(at("rate_limit"), "is not of the form 5/s, 60/min or 1000/h")
	}
	if c.Batch.Size < 1 || c.Batch.Size > 1000 {
		v.bad(at("batch", "size"), "must be between 1 and 1000")
	}
	if c.Retry.Initial <= 0 || c.Retry.Max < c.Retry.Initial {
		v.bad(at("retry"), "initial must be positive and not above max")
	}
	if c.CallTimeout <= 0 {
		v.bad(at("call_timeout"), "must be positive")
	} else if c.StragglerWindow < c.CallTimeout {
		v.warn(at("straggler_window"), "is shorter than call_timeout: a call would be read back while it may still be under way")
	}
	if c.AccountCache <= 0 {
		v.bad(at("account_cache"), "must be positive")
	}
	kind, known := v.kinds[c.Kind]
	if known {
		oneOf("on_missing_user", c.OnMissingUser, alternatives("wait", kind.OnMissingUser)...)
		oneOf("on_deactivate", c.OnDeactivate, alternatives("remove_roles", kind.OnDeactivate)...)
	}
	if known && kind.Validate != nil {
		v.mistakes(path, kind.Validate(backend.Settings{UpdateMethod: c.UpdateRole.Method, UpdatePath: c.UpdateRole.Path}))
	}
	if c.OnMissingUser != "wait" && c.Match != "email" {
		v.bad(at("on_missing_user"), "needs match: email: an account is asked for by address")
	}
	brakes(v, name, c)
	v.credentials(at, c)
	v.outgoing(at, c.Outgoing)
}

func brakes(v *validation, name string, c *Backend) {
	v.brake([]string{"backends", name, "max_removals"}, c.MaxRemovals)
	v.brake([]string{"backends", name, "max_offboardings"}, c.MaxOffboardings)
}

// brake checks the limit of a brake.
func (v *validation) brake(path []string, l RemovalsLimit) {
	if l.Count < 0 || l.Percent < 0 {
		v.bad(path, "count and percent must not be negative")
	}
	if l.Percent >= 100 {
		v.warn(append(slices.Clone(path), "percent"), "is 100 or more: all grants may be revoked at once, held only by the other brakes")
	}
	if l.Window == 0 {
		v.warn(append(slices.Clone(path), "window"), "is 0: what goes one after the other is never counted together")
	}
}

func (v *validation) credentials(at func(...string) []string, c *Backend) {
	secrets := c.secrets()
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		s := secrets[key]
		if s.IsZero() {
			continue
		}
		if s.Literal() && key != "client_id" {
			v.warn(at(key), "is written in the file; prefer env:NAME or file:/path")
		}
		if c.Simulated() {
			continue
		}
		if _, err := s.Value(); err != nil {
			v.wrong(at(key), err)
		}
	}
	if Simulated, profile, _ := strings.Cut(c.URL, ":"); Simulated == "simulated" {
		if !slices.Contains([]string{"", "strict", "lenient", "partial"}, profile) {
			v.bad(at("url"), "simulated:%s is not one of simulated, simulated:strict, simulated:lenient, simulated:partial", legible.Clip(profile))
		}
		return
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		v.bad(at("url"), "is not a URL, nor `simulated`")
	case u.User != nil:
		v.bad(at("url"), "must not hold a user name or password")
	case u.Scheme == "http" && !backend.Loopback(u.Hostname()):
		v.bad(at("url"), "http:// is accepted on loopback only; use https://")
	}
	kind := v.kinds[c.Kind]
	if key, missing := kind.MissingCredentials(func(key string) bool { s := secrets[key]; return !s.IsZero() }); missing != "" {
		v.bad(at(key), "%s", missing)
	}
}

// alternatives returns the values of a key: one of every kind, and one of this kind.
func alternatives(always, more string) []string {
	if more == "" {
		return []string{always}
	}
	return []string{always, more}
}

// mistakes adds what a kind of vendor finds in a part of the configuration.
func (v *validation) mistakes(path []string, found []backend.Mistake) {
	for _, m := range found {
		at := slices.Concat(path, strings.Split(m.Key, "."))
		if m.Warning {
			v.warn(at, "%s", m.Text)
		} else {
			v.bad(at, "%s", m.Text)
		}
	}
}

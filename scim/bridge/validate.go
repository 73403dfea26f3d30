package bridge

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
)

type problem struct {
	line   int
	text   string
	absent bool // it is no more than a secret that is not at hand
}

// validation collects every problem of a configuration with its line.
type validation struct {
	root     *yaml.Node
	problems []problem
	warnings []string
	advice   []string
	tokens   map[[sha256.Size]byte]string // whose token it is
	trusts   []trust                      // whose signed tokens are accepted
	clients  map[string]string            // whose client it is, by its id
	now      time.Time
}

func newValidation(root *yaml.Node) *validation {
	return &validation{root: root, tokens: map[[sha256.Size]byte]string{}, clients: map[string]string{}, now: time.Now()}
}

// err is everything that is wrong, in the order of lines; nil if nothing is.
func (v *validation) err(file string) error {
	if len(v.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(v.problems, func(a, b problem) int { return a.line - b.line })
	e, told := &ConfigError{File: file}, map[string]bool{}
	for _, p := range v.problems {
		if !told[p.text] {
			told[p.text], e.Problems = true, append(e.Problems, p.text)
		}
	}
	if more := len(e.Problems) - maxProblems; more > 0 {
		e.Problems = append(e.Problems[:maxProblems], fmt.Sprintf("… and %d more after %s", more, strings.SplitN(e.Problems[maxProblems-1], ":", 2)[0]))
	}
	return e
}

// line finds the line of a key by its path; of the nearest parent if the key is absent.
func (v *validation) line(path ...string) int {
	n, line := v.root.Content[0], 1
next:
	for _, p := range path {
		if n.Kind == yaml.SequenceNode {
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i >= len(n.Content) {
				return line
			}
			n = n.Content[i]
			line = n.Line
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == p {
				line, n = n.Content[i].Line, n.Content[i+1]
				continue next
			}
		}
		return line
	}
	return line
}

var yamlPlace = regexp.MustCompile(`^line (\d+)(?: column (\d+))?: `)

// located rewords a problem of the YAML library, or of a value, and names the key it is about, where that is certain.
func (v *validation) located(text string) string {
	m := yamlPlace.FindStringSubmatch(text)
	if m == nil {
		return plainYAML(text)
	}
	rest := plainYAML(text[len(m[0]):])
	is := valueOf(text)
	keys := keysAt(v.root.Content[0], nil, func(n *yaml.Node) bool {
		return strconv.Itoa(n.Line) == m[1] && (m[2] == "" || strconv.Itoa(n.Column) == m[2]) && is(n)
	}, m[2] == "")
	if len(keys) == 1 && !strings.HasPrefix(rest, "unknown key") {
		rest = keys[0] + ": " + rest
	}
	return "line " + m[1] + ": " + rest
}

// valueOf tells the values that a message of the YAML library may be about: it names the kind, and how a text or number begins.
func valueOf(text string) func(*yaml.Node) bool {
	m := yamlValue.FindStringSubmatch(text)
	if m == nil {
		return func(*yaml.Node) bool { return true }
	}
	begins := strings.TrimSuffix(m[2], "...")
	return func(n *yaml.Node) bool {
		return n.ShortTag() == m[1] && (begins == "" || begins == n.Value || begins != m[2] && strings.HasPrefix(n.Value, begins))
	}
}

// keysAt lists the keys whose values are meant; lists says that a list of values is one.
func keysAt(n *yaml.Node, path []string, meant func(*yaml.Node) bool, lists bool) (keys []string) {
	for i, c := range n.Content {
		at := slices.Clone(path)
		switch n.Kind {
		case yaml.MappingNode:
			if i%2 == 0 {
				continue
			}
			at = append(at, n.Content[i-1].Value)
		case yaml.SequenceNode:
			at = append(at, strconv.Itoa(i))
		}
		if meant(c) {
			keys = append(keys, strings.Join(at, "."))
		}
		if lists && c.Kind == yaml.SequenceNode && !slices.ContainsFunc(c.Content, func(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode }) {
			continue // a list of values is one
		}
		keys = append(keys, keysAt(c, at, meant, lists)...)
	}
	return keys
}

func (v *validation) bad(path []string, format string, args ...any) {
	line := v.line(path...)
	v.problems = append(v.problems, problem{line: line, text: fmt.Sprintf("line %d: %s: %s", line, strings.Join(path, "."), fmt.Sprintf(format, args...))})
}

// wrong is bad for what a value, or a secret that is read, says of itself.
func (v *validation) wrong(path []string, err error) {
	v.bad(path, "%v", err)
	v.problems[len(v.problems)-1].absent = errors.As(err, new(absentError))
}

func (v *validation) warn(path []string, format string, args ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf("line %d: %s: %s", v.line(path...), strings.Join(path, "."), fmt.Sprintf(format, args...)))
}

// advise recommends what is not wrong to leave out: check and doctor say it, and no start.
func (v *validation) advise(path []string, format string, args ...any) {
	v.advice = append(v.advice, fmt.Sprintf("line %d: %s: %s", v.line(path...), strings.Join(path, "."), fmt.Sprintf(format, args...)))
}

func (v *validation) check(c *Config) {
	v.listeners(c)
	v.store(c.Store)
	v.network(c)
	v.lease(c.Store)
	if len(c.IdentityProviders) == 0 {
		v.bad([]string{"identity_providers"}, "nobody may call: name at least one identity provider with a token")
	}
	for _, name := range slices.Sorted(maps.Keys(c.IdentityProviders)) {
		v.idp(name, c.IdentityProviders[name])
		v.oauth(c, name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		if c.Backends[name] == nil {
			v.bad([]string{"backends", name}, "is empty")
			continue
		}
		v.backend(name, c.Backends[name])
	}
	v.mappings(c)
}

func (v *validation) listeners(c *Config) {
	for _, l := range [][2]string{{"server", c.Server.Listen}, {"console", c.Console.Listen}} {
		name, listen := l[0], l[1]
		_, port, err := net.SplitHostPort(listen)
		if n, notNumber := strconv.Atoi(port); err != nil || notNumber != nil || n < 0 || n > 65535 {
			v.bad([]string{name, "listen"}, "is not an address such as 127.0.0.1:8080")
		}
	}
	if c.Server.Listen == c.Console.Listen && !strings.HasSuffix(c.Server.Listen, ":0") {
		v.bad([]string{"console", "listen"}, "is the same as server.listen; the console needs an address of its own")
	}
	if (c.Server.TLS.CertFile == "") != (c.Server.TLS.KeyFile == "") {
		v.bad([]string{"server", "tls"}, "needs both cert_file and key_file, or neither")
	}
	if c.Server.PublicURL != "" {
		u, err := url.Parse(c.Server.PublicURL)
		if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
			v.bad([]string{"server", "public_url"}, "is not a URL such as https://scim.example.com/scim/v2")
		} else if !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/scim/v2") {
			v.warn([]string{"server", "public_url"}, "does not end in /scim/v2: right only if something in front rewrites the path")
		}
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (v *validation) idp(name string, c IdPConfig) {
	path := []string{"identity_providers", name}
	if !plainName.MatchString(name) {
		v.bad(path, "a name is 1 to 64 letters, digits, dots, dashes and underscores")
	}
	switch {
	case c.JWT.configured():
		v.jwt(append(path, "jwt"), c.JWT)
	case !c.calls():
		v.warn(path, "has no token: it cannot call")
	}
	if put := c.PutWithoutMembers; !slices.Contains([]string{"", "keep", "clear"}, put) {
		v.bad(append(slices.Clone(path), "put_without_members"), "%q is not one of keep, clear", clip(put))
	}
	for i, t := range c.Tokens {
		v.token(append(slices.Clone(path), "tokens", strconv.Itoa(i)), name, t)
	}
}

// token checks a token or the secret of a client: both name one identity provider.
func (v *validation) token(at []string, idp string, t TokenConfig) {
	value, err := t.Secret.Value()
	if err != nil {
		v.wrong(at, err)
		return
	}
	if t.Secret.literal() && !strings.HasPrefix(value.Reveal(), "sha256:") {
		v.warn(at, "is written in the file; prefer env:NAME, file:/path or sha256:<hex>")
	}
	parsed, err := auth.Parse(idp, value.Reveal())
	if err != nil {
		v.bad(at, "%v", err)
		return
	}
	switch other, taken := v.tokens[parsed.Hash]; {
	case taken && other != idp:
		v.bad(at, "is a token of %s too: a credential names exactly one identity provider", other)
	case taken:
		v.warn(at, "stands there already")
	}
	v.tokens[parsed.Hash] = idp
	v.expiry(at, t.Expires)
}

// expiryWarning is how long before its end a token is warned about.
const expiryWarning = 30 * 24 * time.Hour

func (v *validation) expiry(at []string, end time.Time) {
	if words := ending(end, v.now); words != "" {
		v.warn(at, "%s", words)
	}
}

// ending says what there is to say of an end: nothing while it is far.
func ending(end, now time.Time) string {
	left := end.Sub(now)
	switch {
	case end.IsZero() || left > expiryWarning:
		return ""
	case left <= 0:
		return fmt.Sprintf("expired on %s: requests with it are answered 401", end.Format(time.DateOnly))
	}
	return fmt.Sprintf("expires on %s", end.Format(time.DateOnly))
}

func (v *validation) backend(name string, c *BackendConfig) {
	path := []string{"backends", name}
	at := func(key ...string) []string { return append(slices.Clone(path), key...) }
	v.take(c.problems)
	if !plainName.MatchString(name) {
		v.bad(path, "a name is 1 to 64 letters, digits, dots, dashes and underscores")
	}
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			v.bad(at(strings.Split(key, ".")...), "%q is not one of %s", clip(value), strings.Join(allowed, ", "))
		}
	}
	if c.Mode == "" {
		v.bad(at("mode"), "is missing: say what may happen there, one of observe, add_only, sync")
	} else {
		oneOf("mode", c.Mode, "observe", "add_only", "sync")
	}
	oneOf("kind", c.Kind, "virustotal", "riskcloud")
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
	if u := c.UpdateRole; c.Kind == "riskcloud" {
		if !strings.HasPrefix(u.Path, "/") || !strings.Contains(u.Path, "{role}") {
			v.bad(at("update_role", "path"), "must begin with / and contain {role}")
		}
		oneOf("update_role.method", u.Method, "PUT", "PATCH", "POST")
	}
	switch c.Kind {
	case "virustotal":
		oneOf("on_missing_user", c.OnMissingUser, "wait", "invite")
		oneOf("on_deactivate", c.OnDeactivate, "remove_roles", "remove_member")
	case "riskcloud":
		oneOf("on_missing_user", c.OnMissingUser, "wait", "create")
		oneOf("on_deactivate", c.OnDeactivate, "remove_roles", "disable_user")
	}
	if c.OnMissingUser != "wait" && c.Match != "email" {
		v.bad(at("on_missing_user"), "needs match: email: an account is asked for by address")
	}
	v.brake(at("max_removals"), c.MaxRemovals)
	v.brake(at("max_offboardings"), c.MaxOffboardings)
	v.credentials(at, c)
	v.outgoing(at, c.OutgoingConfig)
}

// brake checks a limit of what may be taken away.
func (v *validation) brake(path []string, l RemovalsLimit) {
	if l.Count < 0 || l.Percent < 0 {
		v.bad(path, "count and percent must not be negative")
	}
	if l.Percent >= 100 {
		v.warn(append(slices.Clone(path), "percent"), "is 100 or more: everybody may be taken away at once, which only the other brakes hold")
	}
	if l.Window == 0 {
		v.warn(append(slices.Clone(path), "window"), "is 0: what goes one after the other is never counted together")
	}
}

func (v *validation) credentials(at func(...string) []string, c *BackendConfig) {
	secrets := map[string]Secret{"api_key": c.APIKey, "client_id": c.ClientID, "client_secret": c.ClientSecret, "token": c.Token}
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		s := secrets[key]
		if s.IsZero() {
			continue
		}
		if s.literal() && key != "client_id" {
			v.warn(at(key), "is written in the file; prefer env:NAME or file:/path")
		}
		if strings.HasPrefix(c.URL, "simulated") {
			continue
		}
		if _, err := s.Value(); err != nil {
			v.wrong(at(key), err)
		}
	}
	if simulated, profile, _ := strings.Cut(c.URL, ":"); simulated == "simulated" {
		if !slices.Contains([]string{"", "strict", "lenient", "partial"}, profile) {
			v.bad(at("url"), "simulated:%s is not one of simulated, simulated:strict, simulated:lenient, simulated:partial", clip(profile))
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
	switch {
	case c.Kind == "virustotal" && c.APIKey.IsZero():
		v.bad(at("api_key"), "is missing")
	case c.Kind == "riskcloud" && c.Token.IsZero() && (c.ClientID.IsZero() || c.ClientSecret.IsZero()):
		v.bad(at("client_id"), "needs client_id and client_secret, or token")
	}
}

func (v *validation) mappings(c *Config) {
	for i, m := range c.Mappings {
		rule := []string{"mappings", strconv.Itoa(i)}
		grants, paths := m.grants()
		for n, g := range grants {
			v.grant(c, slices.Concat(rule, paths[n]), g)
		}
		if len(m.Grants) > 0 && (m.Backend != "" || m.Target != "" || len(m.Roles) > 0) {
			v.bad(append(rule, "grants"), "a rule has either grants or backend, target and roles, not both")
		}
		if _, known := c.IdentityProviders[m.IdP]; m.IdP != "" && !known {
			v.bad(append(rule, "identity_provider"), "%q is not one of the identity providers above%s", clip(m.IdP), thoseThere(c.IdentityProviders))
		}
		if m.Where != "" {
			if _, err := scim.UserFilter(m.Where); err != nil {
				v.bad(append(rule, "where"), "is not a filter over users: %v", err)
			}
		}
		for n, g := range grants {
			v.named(append(slices.Concat(rule, paths[n]), "target"), m.Match, g)
		}
		if mapping.Open(m.Match) {
			v.warn(append(rule, "match"), "is open at an end: whoever may name groups at the identity provider may grant this")
		}
		v.pointless(c, rule, m)
		v.unpinned(c, rule, m)
	}
	v.unowned(c)
	v.conflicts(c)
	_, err := c.rules(v)
	for _, e := range unjoin(err) {
		var wrong *mapping.Error
		if errors.As(e, &wrong) {
			v.problems = append(v.problems, problem{line: wrong.Line, text: wrong.Error()})
		}
	}
}

// thoseThere says which names there are: ": rc, vt".
func thoseThere[V any](named map[string]V) string {
	if len(named) == 0 {
		return ": there is none"
	}
	return ": " + clip(strings.Join(slices.Sorted(maps.Keys(named)), ", "))
}

// named warns of targets that the names of groups alone choose.
func (v *validation) named(path []string, match string, g GrantConfig) {
	most := mapping.DefaultMaxTargets
	if g.MaxTargets != nil {
		most = *g.MaxTargets
	}
	if mapping.NamedByCapture(match, g.Target, most) {
		v.warn(path, "is what the group's name says: anyone who can name groups at the identity provider chooses the target. Name the "+
			"targets in the pattern, or write a part of the target; max_targets (%d) bounds how many such names create", most)
	}
}

func (v *validation) grant(c *Config, path []string, g GrantConfig) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	b := c.Backends[g.Backend]
	if g.MaxTargets != nil && *g.MaxTargets < 1 {
		v.bad(at("max_targets"), "must be at least 1")
	}
	switch {
	case g.Backend == "":
		v.bad(at("backend"), "is missing")
	case b == nil:
		v.bad(at("backend"), "%q is not one of the backends above%s", clip(g.Backend), thoseThere(c.Backends))
	case b.Kind == "riskcloud" && len(g.Roles) > 0:
		v.bad(at("roles"), "belongs to virustotal; at Risk Cloud the target is the role")
	case b.Kind == "riskcloud" && g.Replace:
		v.bad(at("replace"), "is for virustotal only")
	case b.Kind == "virustotal" && len(g.PermissionSets) > 0:
		v.bad(at("permission_sets"), "is for riskcloud only")
	case b.Kind == "virustotal" && g.Authoritative:
		v.bad(at("authoritative"), "is refused: VirusTotal does not show who holds a role")
	case g.Authoritative:
		v.warn(at("authoritative"), "takes the role from everybody without a group; run `scimbridge plan --proposed` first. The brakes hold more than max_removals at once")
	case g.Replace:
		v.warn(at("replace"), "clears every role of these people on %s that no rule gives, also those that others granted", clip(g.Target))
	}
	for _, r := range g.Roles {
		switch {
		case b == nil || b.Kind != "virustotal":
		case !virusTotalRole.MatchString(r):
			v.bad(at("roles"), "%q does not look like USER_ROLE_…", clip(r))
		case !strings.Contains(r, "${") && !slices.Contains(knownRoles, r):
			v.warn(at("roles"), "%q is not one of the roles that VirusTotal documents; mind the spelling", clip(r))
		}
	}
}

// knownRoles are those that the vendor's pages name; a licence may have others.
var knownRoles = []string{"USER_ROLE_GROUP_ADMIN", "USER_ROLE_PRIVATE_SCANNING", "USER_ROLE_FILE_DOWNLOADS", "USER_ROLE_FILE_UPLOADS",
	"USER_ROLE_PRIVATE_FILE_UPLOADS", "USER_ROLE_PRIVATE_FILE_DOWNLOADS"}

var virusTotalRole = regexp.MustCompile(`^(USER_ROLE_[A-Z0-9_]+|\$\{[^}]+\}|USER_ROLE_.*\$\{[^}]+\}.*)$`)

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// riskCloudRole stands in the ledger for "has the role": at Risk Cloud the target is the role.
const riskCloudRole = "member"

// rules compiles the mapping; v gives the lines and may be nil.
func (c *Config) rules(v *validation) (*mapping.Rules, error) {
	var rules []mapping.Rule
	for i, m := range c.Mappings {
		base := mapping.Rule{Groups: m.Group, Match: m.Match, ExternalID: m.ExternalID, ID: m.ID, Exclude: m.Exclude, IdP: m.IdP,
			Paused: m.Paused, Pin: m.Pin, WhereText: m.Where, Index: i}
		if m.Where != "" {
			where, err := scim.UserFilter(m.Where)
			if err != nil && v == nil {
				return nil, fmt.Errorf("mappings.%d.where: %w", i, err)
			}
			base.Where = where
		}
		grants, paths := m.grants()
		for n, g := range grants {
			r := base
			r.Backend, r.Target, r.Roles, r.PermissionSets, r.Authoritative, r.Replace = g.Backend, g.Target, g.Roles, g.PermissionSets, g.Authoritative, g.Replace
			if g.MaxTargets != nil {
				r.MaxTargets = *g.MaxTargets
			}
			if v != nil {
				r.Line = v.line(slices.Concat([]string{"mappings", strconv.Itoa(i)}, paths[n])...)
			}
			if b := c.Backends[g.Backend]; b == nil || b.Kind != "virustotal" {
				r.Roles = []string{riskCloudRole} // also where the backend is a mistake, which is reported by itself
			}
			rules = append(rules, r)
		}
	}
	return mapping.Compile(rules)
}

package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxConfig bounds the file before it is parsed: aliases of YAML can expand.
const maxConfig = 1 << 20

// Config is the configuration file. Every field has the default of config.example.yaml.
type Config struct {
	Server            ServerConfig              `yaml:"server"`
	Console           ConsoleConfig             `yaml:"console"`
	Store             StoreConfig               `yaml:"store"`
	Audit             AuditConfig               `yaml:"audit"`
	IdentityProviders map[string]IdPConfig      `yaml:"identity_providers"`
	Backends          map[string]*BackendConfig `yaml:"backends"`
	Mappings          []MappingConfig           `yaml:"mappings"`

	advice []string // what would be better, with its line
}

// ServerConfig is where SCIM is served.
type ServerConfig struct {
	Listen         string       `yaml:"listen"`
	PublicURL      string       `yaml:"public_url"`
	TLS            TLSConfig    `yaml:"tls"`
	TrustedProxies []string     `yaml:"trusted_proxies"`
	Limits         LimitsConfig `yaml:"limits"`
	BodyMemory     Size         `yaml:"body_memory"` // what the bodies of all requests may take at a time
}

// TLSConfig names the files of a certificate; both empty: plain HTTP, with TLS in front.
type TLSConfig struct {
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"`
}

// ConsoleConfig is the operator's listener.
type ConsoleConfig struct {
	Listen string `yaml:"listen"`
}

// StoreConfig says where the state is kept.
type StoreConfig struct {
	Driver string `yaml:"driver"`
	Path   string `yaml:"path"`
	DSN    Secret `yaml:"dsn"`
	// KeyFile is where the operator's key of this machine is; "": beside the file of the store, or a path of its own.
	KeyFile string   `yaml:"key_file"`
	Lease   Duration `yaml:"lease"` // how long a replica that is not heard of keeps the others from delivering
}

// IdPConfig is who may call as one identity provider.
type IdPConfig struct {
	Tokens []TokenConfig `yaml:"tokens"`
	JWT    JWTConfig     `yaml:"jwt"`
	OAuth  OAuthConfig   `yaml:"oauth"`

	Allow              []string `yaml:"allow"`
	ClientCertificates []string `yaml:"client_certificates"`
	RateLimit          string   `yaml:"rate_limit"`

	PutWithoutMembers string `yaml:"put_without_members"` // "": keep
}

// clearsMembers says whether a PUT of a group that leaves `members` out empties it.
func (c IdPConfig) clearsMembers() bool { return c.PutWithoutMembers == "clear" }

// calls says whether there is any credential with which it can.
func (c IdPConfig) calls() bool {
	return c.JWT.configured() || len(c.Tokens)+len(c.OAuth.Clients) > 0
}

// JWTConfig describes tokens signed by the identity provider. Preset, Tenant and AppID fill in what the rest leaves empty.
type JWTConfig struct {
	Preset     string            `yaml:"preset"`
	Tenant     string            `yaml:"tenant"`
	AppID      string            `yaml:"app_id"`
	Subject    string            `yaml:"subject"`
	Issuer     string            `yaml:"issuer"`
	Audience   names             `yaml:"audience"`
	JWKSURL    string            `yaml:"jwks_url"`
	Algorithms []string          `yaml:"algorithms"`
	Claims     map[string]string `yaml:"claims"`

	OutgoingConfig `yaml:",inline"`
}

// configured says whether anything of it is given.
func (c JWTConfig) configured() bool {
	return c.Preset != "" || c.Tenant != "" || c.AppID != "" || c.Subject != "" || c.Issuer != "" || c.JWKSURL != "" || strings.Join(c.Audience, "") != "" || len(c.Claims) > 0
}

// BackendConfig is one vendor connection.
type BackendConfig struct {
	Kind            string `yaml:"kind"`
	URL             string `yaml:"url"`
	APIKey          Secret `yaml:"api_key"`
	ClientID        Secret `yaml:"client_id"`
	ClientSecret    Secret `yaml:"client_secret"`
	Token           Secret `yaml:"token"`
	OutgoingConfig  `yaml:",inline"`
	UpdateRole      UpdateRole    `yaml:"update_role"`
	Mode            string        `yaml:"mode"`
	Match           string        `yaml:"match"`
	RateLimit       string        `yaml:"rate_limit"`
	Batch           Batch         `yaml:"batch"`
	Retry           Retry         `yaml:"retry"`
	CallTimeout     Duration      `yaml:"call_timeout"`
	StragglerWindow Duration      `yaml:"straggler_window"`
	ResyncEvery     Duration      `yaml:"resync_every"`
	AccountCache    Duration      `yaml:"account_cache"`
	OnMissingUser   string        `yaml:"on_missing_user"`
	OnDeactivate    string        `yaml:"on_deactivate"`
	Protect         []string      `yaml:"protect"`
	OwnAccount      string        `yaml:"own_account"`
	MaxRemovals     RemovalsLimit `yaml:"max_removals"`
	MaxOffboardings RemovalsLimit `yaml:"max_offboardings"`

	problems []string // found while reading, with their lines
}

// UpdateRole is how Risk Cloud's role update is addressed; the vendor's page omits it.
type UpdateRole struct {
	Method string `yaml:"method"`
	Path   string `yaml:"path"`
}

// Batch is how changes are gathered into calls.
type Batch struct {
	Size int      `yaml:"size"`
	Wait Duration `yaml:"wait"`
}

// Retry is the back-off after a failure.
type Retry struct {
	Initial Duration `yaml:"initial"`
	Max     Duration `yaml:"max"`
}

// RemovalsLimit is a brake: more than the larger of Count and Percent within Window is held.
type RemovalsLimit struct {
	Count   int      `yaml:"count"`
	Percent int      `yaml:"percent"`
	Window  Duration `yaml:"window"`
}

// MappingConfig is one rule: which groups, of whom, and what they give, here or as a list of grants.
type MappingConfig struct {
	Group      names  `yaml:"group"`
	Match      string `yaml:"match"`
	ExternalID string `yaml:"external_id"`
	ID         string `yaml:"id"`
	Exclude    names  `yaml:"exclude"`
	IdP        string `yaml:"identity_provider"`
	Where      string `yaml:"where"`
	Paused     bool   `yaml:"paused"`
	Pin        bool   `yaml:"pin"`

	Backend        string   `yaml:"backend"`
	Target         string   `yaml:"target"`
	Roles          []string `yaml:"roles"`
	PermissionSets []string `yaml:"permission_sets"`
	Authoritative  bool     `yaml:"authoritative"`
	Replace        bool     `yaml:"replace"`
	MaxTargets     *int     `yaml:"max_targets"`

	Grants []GrantConfig `yaml:"grants"`
}

// GrantConfig is what a rule gives at one target.
type GrantConfig struct {
	Backend        string   `yaml:"backend"`
	Target         string   `yaml:"target"`
	Roles          []string `yaml:"roles"`
	PermissionSets []string `yaml:"permission_sets"`
	Authoritative  bool     `yaml:"authoritative"`
	Replace        bool     `yaml:"replace"`
	MaxTargets     *int     `yaml:"max_targets"`
}

// grants lists what the rule gives, with the keys under which each stands.
func (m MappingConfig) grants() (list []GrantConfig, paths [][]string) {
	if len(m.Grants) == 0 {
		return []GrantConfig{{m.Backend, m.Target, m.Roles, m.PermissionSets, m.Authoritative, m.Replace, m.MaxTargets}}, [][]string{nil}
	}
	for i, g := range m.Grants {
		if g.MaxTargets == nil && strings.Contains(g.Target, "${") {
			g.MaxTargets = m.MaxTargets
		}
		list, paths = append(list, g), append(paths, []string{"grants", strconv.Itoa(i)})
	}
	return list, paths
}

// names is a name or a list of them.
type names []string

// UnmarshalYAML reads either form.
func (l *names) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = names{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return err
	}
	*l = list
	return nil
}

// UnmarshalYAML fills in the defaults of a backend before reading it.
func (b *BackendConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain BackendConfig
	d := plain(defaultBackend())
	err := decodeStrict(n, &d)
	*b = BackendConfig(d)
	var typed *yaml.TypeError
	if errors.As(err, &typed) { // kept for later, so that what is right is checked all the same
		b.problems = typed.Errors
		return nil
	}
	return err
}

func defaultBackend() BackendConfig {
	return BackendConfig{
		Match: "email", RateLimit: "60/min", Batch: Batch{25, Duration(time.Second)},
		UpdateRole: UpdateRole{"PUT", "/api/v1/roles/{role}"},
		Retry:      Retry{Duration(time.Second), Duration(5 * time.Minute)}, CallTimeout: Duration(30 * time.Second),
		StragglerWindow: Duration(75 * time.Second), ResyncEvery: Duration(time.Hour), AccountCache: Duration(time.Hour), OnMissingUser: "wait",
		OnDeactivate:    "remove_roles",
		MaxRemovals:     RemovalsLimit{10, 20, Duration(time.Hour)},
		MaxOffboardings: RemovalsLimit{100, 30, Duration(time.Hour)},
	}
}

// Duration is a time.Duration written as 30s, 5m or 1h; a bare 0 is zero.
type Duration time.Duration

// String is the written form without parts that are zero: 6h.
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, zero := range []string{"0s", "0m"} {
		if len(s) > len(zero) && strings.ContainsAny(s[len(s)-len(zero)-1:len(s)-len(zero)], "hm") {
			s = strings.TrimSuffix(s, zero)
		}
	}
	return s
}

// UnmarshalYAML reads the written form.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "0" {
		*d = 0
		return nil
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 || n.Kind != yaml.ScalarNode {
		return wrongValue(n, "is not a duration such as 30s, 5m or 1h")
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes written as 64MiB or 1GiB.
type Size int64

// String is the written form, in MiB.
func (s Size) String() string { return fmt.Sprintf("%dMiB", s>>20) }

// UnmarshalYAML reads the written form.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	number, shift := strings.TrimSuffix(n.Value, "MiB"), 20
	if rest, ok := strings.CutSuffix(n.Value, "GiB"); ok {
		number, shift = rest, 30
	}
	v, err := strconv.ParseUint(number, 10, 20)
	if err != nil || number == n.Value || n.Kind != yaml.ScalarNode {
		return wrongValue(n, "is not a size such as 256MiB or 1GiB")
	}
	*s = Size(v << shift) //nolint:gosec // at most a million GiB
	return nil
}

// wrongValue is a mistake in one value, at its place: named below, once the whole file is known.
func wrongValue(n *yaml.Node, detail string) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d column %d: %s", n.Line, n.Column, detail)}}
}

// decodeStrict decodes a node whose unknown keys are errors. yaml.Node.Decode alone would let them pass below a
// type with a method of its own, so the keys are compared here, with their lines.
func decodeStrict(n *yaml.Node, into any) error {
	err := n.Decode(into)
	var typed *yaml.TypeError
	if err != nil && !errors.As(err, &typed) {
		return err
	}
	var problems []string
	if typed != nil {
		problems = typed.Errors
	}
	problems = append(problems, unknownKeys(n, into)...)
	if len(problems) == 0 {
		return nil
	}
	return &yaml.TypeError{Errors: problems}
}

// ConfigError holds every problem of a configuration file, in the order of lines.
type ConfigError struct {
	File     string
	Problems []string // "line 12: …"
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d problem(s)", e.File, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p)
	}
	return b.String()
}

func defaults() *Config {
	return &Config{
		Server:  ServerConfig{Listen: "127.0.0.1:8080", Limits: defaultLimits(), BodyMemory: defaultBodyMemory},
		Console: ConsoleConfig{Listen: "127.0.0.1:8081"},
		Store:   StoreConfig{Driver: "bolt", Path: "data/scimbridge.db", Lease: Duration(15 * time.Second)},
		Audit:   AuditConfig{Duration(365 * 24 * time.Hour)},
	}
}

// LoadConfig reads and checks a configuration file. Warnings are about what works and should not stay. A wrong
// file gives a *ConfigError with every problem.
func LoadConfig(file string) (c *Config, warnings []string, err error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, nil, err
	}
	return parseConfig(file, data)
}

// parseConfig is LoadConfig of what was read.
func parseConfig(file string, data []byte) (*Config, []string, error) {
	c, v, err := examineConfig(file, data)
	if err != nil {
		return nil, nil, err
	}
	if err := v.err(file); err != nil {
		return nil, v.warnings, err
	}
	return c, v.warnings, nil
}

// examineConfig reads and checks: what is wrong is among the problems, unless nothing can be read at all.
func examineConfig(file string, data []byte) (*Config, *validation, error) {
	c, v, err := decodeConfig(file, data)
	if err != nil {
		return nil, nil, err
	}
	v.check(c)
	byLine := func(a, b string) int { return lineOf(a) - lineOf(b) }
	slices.SortStableFunc(v.warnings, byLine)
	slices.SortStableFunc(v.advice, byLine)
	c.advice = v.advice
	return c, v, nil
}

func readBounded(file string) ([]byte, error) {
	data, err := readAtMost(file, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading the configuration: %w; name it with --config, or start from config.example.yaml", err)
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	case len(data) > maxConfig:
		return nil, fmt.Errorf("reading the configuration: %s has more than 1 MiB", file)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, fmt.Errorf("reading the configuration: %s is empty; start from config.example.yaml", file)
	}
	return data, nil
}

// readAtMost reads a file as far as one byte beyond a size: a device or a pipe does not tell how much it has.
func readAtMost(file string, size int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	return io.ReadAll(io.LimitReader(f, size+1))
}

var (
	yamlLine  = regexp.MustCompile(`line (\d+)`)
	yamlValue = regexp.MustCompile("(?s)cannot unmarshal (!\\S*)(?: `(.*)`)? into (\\S+)$")
	yamlTwice = regexp.MustCompile(`(?s)^mapping key .* already defined at (line \d+)$`)
)

// plainYAML rewords the YAML library's messages: no Go types, and no part of a value, which may be a secret.
func plainYAML(s string) string {
	if m := yamlTwice.FindStringSubmatch(s); m != nil {
		return "a key is given twice here, and first on " + m[1]
	}
	return yamlValue.ReplaceAllStringFunc(s, func(m string) string {
		parts := yamlValue.FindStringSubmatch(m)
		is := map[string]string{"!!str": "a text", "!!int": "a number", "!!seq": "a list", "!!map": "a block of keys", "!!bool": "true or false", "!!float": "a number", "!!null": "empty", "!!timestamp": "a date"}[parts[1]]
		if is == "" {
			is = "a value with a tag (!)"
		}
		want := "something else"
		switch t := parts[3]; {
		case strings.HasPrefix(t, "[]"), t == "bridge.names":
			want = "a list"
		case t == "int":
			want = "a whole number"
		case t == "bool":
			want = "true or false"
		case t == "string":
			want = "a text"
		case strings.HasPrefix(t, "map") || strings.Contains(t, "."):
			want = "a block of keys"
		}
		return "is " + is + ", should be " + want
	})
}

func lineOf(s string) int {
	n := 0
	if m := yamlLine.FindStringSubmatch(s); m != nil {
		_, _ = fmt.Sscan(m[1], &n) // digits only
	}
	return n
}

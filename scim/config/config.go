package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
)

// Config is the configuration file. Every field has the default of config.example.yaml.
type Config struct {
	Server            Server                      `yaml:"server"`
	Console           Console                     `yaml:"console"`
	Store             Store                       `yaml:"store"`
	Audit             Audit                       `yaml:"audit"`
	Operators         Operators                   `yaml:"operators"`
	Notify            []Channel                   `yaml:"notify"`
	IdentityProviders map[string]IdentityProvider `yaml:"identity_providers"`
	Backends          map[string]*Backend         `yaml:"backends"`
	Mappings          []Rule                      `yaml:"mappings"`

	Kinds map[string]backend.Kind `yaml:"-"` // of vendors, by their names

	advice []string // recommendations, each with its line
}

// Server is the listener of the SCIM API.
type Server struct {
	Listen         string   `yaml:"listen"`
	PublicURL      string   `yaml:"public_url"`
	TLS            TLS      `yaml:"tls"`
	TrustedProxies []string `yaml:"trusted_proxies"`
	Limits         Limits   `yaml:"limits"`
	BodyMemory     Size     `yaml:"body_memory"` // of the bodies of all requests together
}

// TLS names the files of a certificate. If both are empty, the server speaks plain HTTP.
type TLS struct {
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"`
}

// Console is the listener of the operators.
type Console struct {
	Listen string `yaml:"listen"`
}

// Store names the place of the state.
type Store struct {
	Driver string `yaml:"driver"`
	Path   string `yaml:"path"`
	DSN    Secret `yaml:"dsn"`
	// KeyFile is the file with the operator's key of this machine. If it is empty, the file is next
	// to that of the store, or has a path of its own.
	KeyFile string   `yaml:"key_file"`
	Lease   Duration `yaml:"lease"` // how long a silent replica keeps the others from delivering
}

// IdentityProvider is one identity provider that may call.
type IdentityProvider struct {
	Tokens []Token `yaml:"tokens"`
	JWT    JWT     `yaml:"jwt"`
	OAuth  OAuth   `yaml:"oauth"`

	Allow              []string `yaml:"allow"`
	ClientCertificates []string `yaml:"client_certificates"`
	RateLimit          string   `yaml:"rate_limit"`

	PutWithoutMembers string `yaml:"put_without_members"` // "": keep
}

// ClearsMembers reports whether a PUT of a group without `members` empties it.
func (c IdentityProvider) ClearsMembers() bool { return c.PutWithoutMembers == "clear" }

// CanCall reports whether the identity provider has any credential.
func (c IdentityProvider) CanCall() bool {
	return c.JWT.Configured() || len(c.Tokens)+len(c.OAuth.Clients) > 0
}

// Backend is one connection to a vendor.
type Backend struct {
	Kind            string `yaml:"kind"`
	URL             string `yaml:"url"`
	APIKey          Secret `yaml:"api_key"`
	ClientID        Secret `yaml:"client_id"`
	ClientSecret    Secret `yaml:"client_secret"`
	Token           Secret `yaml:"token"`
	Outgoing        `yaml:",inline"`
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
}

// UpdateRole is the method and path of Risk Cloud's role update, which the vendor's page omits.
type UpdateRole struct {
	Method string `yaml:"method"`
	Path   string `yaml:"path"`
}

// Batch limits the changes in one call, and the time to gather them.
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

// Rule selects groups and says what they grant, in its own keys or as a list of grants.
type Rule struct {
	Group      Names  `yaml:"group"`
	Match      string `yaml:"match"`
	ExternalID string `yaml:"external_id"`
	ID         string `yaml:"id"`
	Exclude    Names  `yaml:"exclude"`
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

	Grants []Grant `yaml:"grants"`
}

// Grant is what a rule grants on one target.
type Grant struct {
	Backend        string   `yaml:"backend"`
	Target         string   `yaml:"target"`
	Roles          []string `yaml:"roles"`
	PermissionSets []string `yaml:"permission_sets"`
	Authoritative  bool     `yaml:"authoritative"`
	Replace        bool     `yaml:"replace"`
	MaxTargets     *int     `yaml:"max_targets"`
}

// grants returns the grants of a rule, each with the keys under which it stands.
func (m Rule) grants() (list []Grant, paths [][]string) {
	if len(m.Grants) == 0 {
		return []Grant{{m.Backend, m.Target, m.Roles, m.PermissionSets, m.Authoritative, m.Replace, m.MaxTargets}}, [][]string{nil}
	}
	for i, g := range m.Grants {
		if g.MaxTargets == nil && strings.Contains(g.Target, "${") {
			g.MaxTargets = m.MaxTargets
		}
		list, paths = append(list, g), append(paths, []string{"grants", strconv.Itoa(i)})
	}
	return list, paths
}

// Limits bound the traffic of server.listen.
type Limits struct {
	Connections           int    `yaml:"connections"`
	ConnectionsPerAddress int    `yaml:"connections_per_address"`
	Requests              string `yaml:"requests"`
	Failures              string `yaml:"failures"`
}

// Scheme returns how the URL of the listener begins.
func (s Server) Scheme() string {
	if s.TLS.CertFile != "" {
		return "https://"
	}
	return "http://"
}

// Audit is how long the audit trail is kept; 0 means indefinitely.
type Audit struct {
	Retention Duration `yaml:"retention"`
}

// Simulated reports whether the vendor is simulated.
func (c *Backend) Simulated() bool {
	_, simulated := c.simulation()
	return simulated
}

// Simulation returns how a simulated vendor behaves.
func (c *Backend) Simulation() backend.Simulation {
	profile, _ := c.simulation()
	return backend.Simulation{Profile: profile}
}

// simulation returns the profile of a simulated backend: `url: simulated:lenient`.
func (c *Backend) simulation() (profile string, simulated bool) {
	word, profile, _ := strings.Cut(c.URL, ":")
	return profile, word == "simulated"
}

// Settings returns what a client of the backend is made of. An unreadable secret is an error unless
// the backend is simulated.
func (c *Backend) Settings() (backend.Settings, error) {
	s := backend.Settings{Secrets: map[string]backend.Secret{}, UpdateMethod: c.UpdateRole.Method, UpdatePath: c.UpdateRole.Path}
	for key, secret := range c.secrets() {
		if secret.IsZero() || c.Simulated() {
			continue
		}
		value, err := secret.Value()
		if err != nil {
			return s, fmt.Errorf("%s: %w", key, err)
		}
		s.Secrets[key] = value
	}
	return s, nil
}

// secrets returns the credentials of a backend by their keys.
func (c *Backend) secrets() map[string]Secret {
	return map[string]Secret{"api_key": c.APIKey, "client_id": c.ClientID, "client_secret": c.ClientSecret, "token": c.Token}
}

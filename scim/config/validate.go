package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
)

type problem struct {
	line   int
	text   string
	absent bool // only a secret that cannot be read here
}

// validation collects every problem of a configuration with its line.
type validation struct {
	root     *yaml.Node
	problems []problem
	warnings []string
	advice   []string
	tokens   map[[sha256.Size]byte]string // -> identity provider, or operator
	trusts   []trust                      // signed tokens that are accepted
	clients  map[string]string            // id -> identity provider
	now      time.Time
	kinds    map[string]backend.Kind
}

func newValidation(root *yaml.Node, kinds map[string]backend.Kind) *validation {
	return &validation{root: root, tokens: map[[sha256.Size]byte]string{}, clients: map[string]string{}, now: time.Now(), kinds: kinds}
}

// err returns all problems in the order of lines; nil if there are none.
func (v *validation) err(file string) error {
	if len(v.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(v.problems, func(a, b problem) int { return a.line - b.line })
	e, reported := &Error{File: file}, map[string]bool{}
	for _, p := range v.problems {
		if !reported[p.text] {
			reported[p.text], e.Problems = true, append(e.Problems, p.text)
		}
	}
	if more := len(e.Problems) - maxProblems; more > 0 {
		e.Problems = append(e.Problems[:maxProblems], fmt.Sprintf("… and %d more after %s", more, strings.SplitN(e.Problems[maxProblems-1], ":", 2)[0]))
	}
	return e
}

// line returns the line of a key by its path, or of the nearest parent.
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

func (v *validation) bad(path []string, format string, args ...any) {
	line := v.line(path...)
	v.problems = append(v.problems, problem{line: line, text: fmt.Sprintf("line %d: %s: %s", line, strings.Join(path, "."), fmt.Sprintf(format, args...))})
}

// wrong records an error of a value or of reading a secret.
func (v *validation) wrong(path []string, err error) {
	v.bad(path, "%v", err)
	v.problems[len(v.problems)-1].absent = errors.As(err, new(AbsentError))
}

func (v *validation) warn(path []string, format string, args ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf("line %d: %s: %s", v.line(path...), strings.Join(path, "."), fmt.Sprintf(format, args...)))
}

// advise adds a recommendation, which check and doctor print.
func (v *validation) advise(path []string, format string, args ...any) {
	v.advice = append(v.advice, fmt.Sprintf("line %d: %s: %s", v.line(path...), strings.Join(path, "."), fmt.Sprintf(format, args...)))
}

func (v *validation) check(c *Config) {
	v.listeners(c)
	v.store(c.Store)
	v.network(c)
	v.lease(c.Store)
	if len(c.IdentityProviders) == 0 {
		v.bad([]string{"identity_providers"}, "no client can call: name at least one identity provider with a token")
	}
	for _, name := range slices.Sorted(maps.Keys(c.IdentityProviders)) {
		v.idp(name, c.IdentityProviders[name])
		v.oauth(c, name)
	}
	c.Operators.check(v)
	checkChannels(v, c.Notify)
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		if c.Backends[name] == nil {
			v.bad([]string{"backends", name}, "is empty")
			continue
		}
		v.backend(name, c.Backends[name])
	}
	v.mappings(c)
	v.exposed(c)
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

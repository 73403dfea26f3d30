package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	bomb := "mappings:\n- &m {roles: [" + strings.Repeat("x, ", 400) + "x]}\n" + strings.Repeat("- *m\n", 400)
	for name, c := range map[string]struct{ text, want string }{
		"a value of another kind names its key":   {"backends: {rc: {batch: {size: many}}}", "line 1: backends.rc.batch.size: is a text, should be a whole number"},
		"an element names its place":              {"mappings:\n- {group: a}\n- {roles: [x, [y]]}", "line 3: mappings.1.roles.1: is a list, should be a text"},
		"a duration that is a block":              {"store: {lease: {a: b}}", "line 1: store.lease: is not a duration such as 30s, 5m or 1h"},
		"a secret that is a list":                 {"store: {dsn: [x]}", "line 1: store.dsn: a secret is env:NAME, file:/path or a text"},
		"a token with an unknown key":             {"identity_providers:\n  a:\n    tokens:\n    - {value: x, expire: y}", `line 4: unknown key "expire"; did you mean "expires"?`},
		"a key of an embedded block":              {"backends: {rc: {ca_file: [x]}}", "line 1: backends.rc.ca_file: is a list, should be a text"},
		"a key that stands there twice":           {"server:\n  listen: a\n  listen: b", "line 3: server: a key is given twice here, and first on line 2"},
		"a key that is no text":                   {"identity_providers: {? [a] : {}}", "line 1: identity_providers: a key is not a text"},
		"a tag makes a text something else":       {"server: {listen: !secret x}", "line 1: server.listen: is a value with a tag (!); put a value that begins with ! in quotation marks"},
		"an anchor that contains itself":          {"identity_providers: &a {okta: *a}", `line 1: unknown key "okta"`},
		"aliases of aliases have an end":          {bomb, "anchors and aliases make it too large"},
		"an alias of a list":                      {"server: {trusted_proxies: &p [10.0.0.0/8, [x]]}\nidentity_providers: {a: {allow: *p}}", "line 1: identity_providers.a.allow.1: is a list, should be a text"},
		"an alias that names nothing":             {"server:\n  listen: *here", "line 2: what begins with * refers to an anchor that is not there; put a value that begins with * in quotation marks"},
		"a document that is a list":               {"- a", "line 1: this is no configuration"},
		"a backend that is empty keeps its place": {"backends: {vt: }", "backends.vt: is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Parse("file", []byte(c.text), kinds())
			var wrong *Error
			if !errors.As(err, &wrong) || !strings.Contains(strings.Join(wrong.Problems, "\n")+"\n", c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a wrong value keeps its default, the rest is read", func(t *testing.T) {
		c, v, err := decode("file", []byte("server: {listen: [x], body_memory: 64MiB}\nbackends: {rc: {batch: 5, match: userName, retry: {max: 1h}}}"), kinds())
		if err != nil || len(v.problems) != 2 {
			t.Fatal(err, v.problems)
		}
		rc := c.Backends["rc"]
		if c.Server.Listen != Default().Server.Listen || c.Server.BodyMemory != 64<<20 || rc.Batch != DefaultBackend().Batch || rc.Match != "userName" ||
			time.Duration(rc.Retry.Max) != time.Hour || rc.Retry.Initial != DefaultBackend().Retry.Initial {
			t.Errorf("%+v, %+v", c.Server, rc)
		}
	})
	t.Run("an alias stands for its value", func(t *testing.T) {
		c, v, err := decode("file", []byte("server: {trusted_proxies: &p [10.0.0.0/8]}\nidentity_providers: {a: {allow: *p}}"), kinds())
		if err != nil || len(v.problems) > 0 || len(c.IdentityProviders["a"].Allow) != 1 {
			t.Errorf("%v %v %+v", err, v.problems, c.IdentityProviders)
		}
	})
	t.Run("empty values keep the defaults", func(t *testing.T) {
		c, v, err := decode("file", []byte("server:\nstore: {lease: , path: ~}\nmappings:\n"), kinds())
		if err != nil || len(v.problems) > 0 || c.Store.Lease != Default().Store.Lease || c.Store.Path != Default().Store.Path || c.Server.Listen != Default().Server.Listen {
			t.Errorf("%v %v %+v", err, v.problems, c)
		}
	})
}

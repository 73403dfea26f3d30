package bridge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/store"
)

// sectionsSetting names the setting with the fingerprints of the configuration that was loaded last.
const sectionsSetting = "config/sections"

// loaded puts into the audit trail that the configuration of a file, if there is one, is in force, and which parts of it are others than before: all of them, or
// only one, since a reload takes no other.
func (b *Bridge) loaded(ctx context.Context, how, actor, only string, data []byte) error {
	read, err := sections(data)
	if err != nil {
		return err
	}
	err = b.store.Update(ctx, func(tx store.Tx) error {
		before := map[string]string{}
		if raw := tx.Setting(sectionsSetting); raw != nil {
			if err := json.Unmarshal(raw, &before); err != nil {
				return err
			}
		}
		now := read
		if only != "" {
			now = maps.Clone(before)
			now[only] = read[only]
		}
		kept, err := json.Marshal(now)
		if err != nil {
			return err
		}
		e := store.Event{At: b.now().UTC(), Type: "config.load", Actor: actor, Detail: how + ", version " + b.Version}
		e.Before, e.After = fingerprints(before, now), fingerprints(now, before)
		if _, err := tx.Events().Append(e); err != nil {
			return err
		}
		return tx.SetSetting(sectionsSetting, kept)
	})
	if err != nil {
		return fmt.Errorf("noting the configuration in the audit trail: %w", err)
	}
	return nil
}

// fingerprints writes those of one that the other has not, as a JSON object; "" if there are none.
func fingerprints(of, other map[string]string) string {
	differ := map[string]string{}
	for name, print := range of {
		if other[name] != print {
			differ[name] = print
		}
	}
	if len(differ) == 0 {
		return ""
	}
	out, _ := json.Marshal(differ) // of texts: cannot fail
	return string(out)
}

// sections fingerprints the parts of a configuration file: each backend and identity provider, and each other key at the top.
func sections(data []byte) (map[string]string, error) {
	out := map[string]string{}
	var root yaml.Node
	if len(bytes.TrimSpace(data)) == 0 {
		return out, nil
	}
	if err := yaml.Unmarshal(data, &root); err != nil || len(root.Content) == 0 {
		return nil, fmt.Errorf("reading the configuration: %s", plainYAML(fmt.Sprint(err)))
	}
	for name, n := range pairs(root.Content[0]) {
		parts := map[string]*yaml.Node{name: n}
		if name == "backends" || name == "identity_providers" {
			parts = map[string]*yaml.Node{}
			for key, part := range pairs(n) {
				parts[name+"."+key] = part
			}
		}
		for part, n := range parts {
			hideLiterals(n, false)
			text, err := yaml.Marshal(n)
			if err != nil {
				return nil, fmt.Errorf("reading the configuration: %w", err)
			}
			sum := sha256.Sum256(text)
			out[part] = hex.EncodeToString(sum[:8])
		}
	}
	return out, nil
}

func pairs(n *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out[n.Content[i].Value] = n.Content[i+1]
	}
	return out
}

// secretKeys are the keys under which secrets stand.
var secretKeys = []string{"tokens", "secrets", "api_key", "client_secret", "token", "dsn", "proxy"}

// hideLiterals takes secrets out that are written in the file itself: not even their fingerprint is for an audit trail. Comments go as well:
// they change nothing.
func hideLiterals(n *yaml.Node, secret bool) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if n.Kind == yaml.ScalarNode && secret && !slices.ContainsFunc([]string{"env:", "file:", "sha256:"}, func(p string) bool { return strings.HasPrefix(n.Value, p) }) {
		n.Value = "literal"
	}
	for i, c := range n.Content {
		within := secret
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			within = slices.Contains(secretKeys, n.Content[i-1].Value) || secret && n.Content[i-1].Value == "value"
		} else if n.Kind == yaml.MappingNode {
			within = false // a key
		}
		hideLiterals(c, within)
	}
}

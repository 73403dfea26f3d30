package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/scimbridge/scimbridge/scim/config/fingerprint"
	"github.com/scimbridge/scimbridge/store"
)

// sectionsSetting names the setting with the fingerprints of the configuration that was loaded
// last.
const sectionsSetting = "config/sections"

// loaded records in the audit trail that a configuration is in force and which parts changed: all
// parts, or only those that a reload takes. The event says who loaded it, and how in its detail.
func (b *Bridge) loaded(ctx context.Context, e store.Event, data []byte, only ...string) error {
	read, err := fingerprint.Of(data)
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
		if len(only) > 0 {
			now = maps.Clone(before)
		}
		for _, part := range only {
			if now[part] = read[part]; now[part] == "" {
				delete(now, part)
			}
		}
		kept, err := json.Marshal(now)
		if err != nil {
			return err
		}
		loaded := e
		loaded.At, loaded.Type, loaded.Detail = b.now().UTC(), "config.load", e.Detail+", version "+b.Version
		loaded.Before, loaded.After = changed(before, now, ""), changed(now, before, fingerprint.RulesText(data))
		if data != nil {
			sum := sha256.Sum256(data)
			loaded.Evidence = "file with SHA-256 " + hex.EncodeToString(sum[:])
		}
		if _, err := tx.Events().Append(loaded); err != nil {
			return err
		}
		return tx.SetSetting(sectionsSetting, kept)
	})
	if err != nil {
		return fmt.Errorf("noting the configuration in the audit trail: %w", err)
	}
	return nil
}

// changed returns the fingerprints that the other lacks as a JSON object; "" if there are
// none. With the fingerprint of mappings comes their text, if one is given.
func changed(of, other map[string]string, rules string) string {
	differ := map[string]string{}
	for name, print := range of {
		if other[name] != print {
			differ[name] = print
		}
	}
	if len(differ) == 0 {
		return ""
	}
	if differ["mappings"] != "" && rules != "" {
		differ["rules"] = rules
	}
	out, _ := json.Marshal(differ) // of texts: cannot fail
	return string(out)
}

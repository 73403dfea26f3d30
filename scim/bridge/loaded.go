package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
)

// sectionsSetting names the setting with the fingerprints of the configuration that was loaded
// last.
const sectionsSetting = "config/sections"

// loaded records in the audit trail that a configuration is in force and which parts changed: all
// parts, or the only one that a reload takes.
func (b *Bridge) loaded(ctx context.Context, how, actor, only string, data []byte) error {
	read, err := config.Sections(data)
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
		e.Before, e.After = changed(before, now), changed(now, before)
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

// changed returns the fingerprints that the other lacks as a JSON object; "" if there are
// none.
func changed(of, other map[string]string) string {
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

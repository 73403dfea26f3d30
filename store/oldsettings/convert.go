package oldsettings

import (
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Convert moves the settings that are records into the typed tables, in one transaction.
func Convert(tx store.Tx) error {
	var names []string
	var all []record.Record
	credentials := map[[2]string]*record.Credential{}
	for name, value := range tx.Settings() {
		found, known, err := parse(name, value)
		if err != nil {
			return fmt.Errorf("setting %.100q: %w: %w", name, store.ErrDamaged, err)
		}
		if !known {
			continue
		}
		names = append(names, name)
		for _, r := range found {
			if c, is := r.(*record.Credential); is {
				merge(credentials, c)
			} else {
				all = append(all, r)
			}
		}
	}
	for _, c := range credentials {
		if c.Since.IsZero() {
			c.Expires = c.LastUse.Add(record.UnusedCredential)
		}
		all = append(all, c)
	}
	for _, r := range all {
		if err := tx.Records().Write(r); err != nil {
			return err
		}
	}
	var err error
	for _, name := range names {
		err = errors.Join(err, tx.SetSetting(name, nil))
	}
	return err
}

// merge joins two settings of a credential: when it was first configured, and its last use.
func merge(all map[[2]string]*record.Credential, c *record.Credential) {
	k := [2]string{c.IdP, c.Token}
	if all[k] == nil {
		all[k] = c
		return
	}
	if all[k].Since.IsZero() {
		all[k].Since = c.Since
	}
	if all[k].LastUse.IsZero() {
		all[k].LastUse = c.LastUse
	}
}

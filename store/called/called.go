// Package called finds users in a directory by what a person calls them.
package called

import (
	"errors"

	"github.com/scimbridge/scimbridge/store"
)

// Users finds users of a directory by id, else by userName, e-mail address or externalId: by the first of these that
// finds one.
func Users(d store.Directory, name string) ([]store.User, error) {
	u, err := d.User(name)
	if err == nil {
		return []store.User{u}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	for _, by := range []store.Index{store.ByUserName, store.ByEmail, store.ByExternalID} {
		if found, err := d.FindUsers(by, name); err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

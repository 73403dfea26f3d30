package archive_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
)

// A hundred thousand memberships are imported one by one as they were, and the copy gives the same export.
func TestLargeExport(t *testing.T) {
	const groups, each, shift = 50, 2001, 40 // group i has the users from i*shift on
	const users = each + groups*shift
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	from, to := open(t), open(t)
	err := from.Update(t.Context(), func(tx store.Tx) error {
		d := tx.Directory("okta")
		ids := make([]string, users)
		for i := range ids {
			ids[i] = fmt.Sprintf("user-%05d", i)
			if err := d.PutUser(store.User{ID: ids[i], UserName: ids[i], Active: true, Attributes: []byte(`{}`), Version: 1, Created: at, Modified: at}); err != nil {
				return err
			}
		}
		for g := range groups {
			name := fmt.Sprint("group ", g)
			if err := d.PutGroup(store.Group{ID: name, DisplayName: name, Attributes: []byte(`{}`), Version: 1, Created: at, Modified: at}); err != nil {
				return err
			}
			if _, err := d.AddMembers(name, ids[g*shift:g*shift+each]...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := archive.Write(t.Context(), from, &first); err != nil {
		t.Fatal(err)
	}
	if err := archive.Read(t.Context(), bytes.NewReader(first.Bytes()), to); err != nil {
		t.Fatal(err)
	}
	err = to.View(t.Context(), func(tx store.Tx) error {
		d, memberships := tx.Directory("okta"), 0
		for g := range groups {
			n := 0
			for m, err := range d.Members(fmt.Sprint("group ", g)) {
				if err != nil {
					return err
				}
				if want := fmt.Sprintf("user-%05d", g*shift+n); m.Value != want || !m.User {
					return fmt.Errorf("group %d: %+v, want %s", g, m, want)
				}
				n++
			}
			memberships += n
		}
		if memberships != groups*each || d.UserCount() != users {
			return fmt.Errorf("%d memberships of %d users", memberships, d.UserCount())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := archive.Write(t.Context(), to, &second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the copy is exported otherwise")
	}
}

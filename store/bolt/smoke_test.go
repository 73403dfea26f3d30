package bolt

import (
	"context"
	"github.com/scimbridge/scimbridge/store"
	"path/filepath"
	"testing"
)

func TestSmoke(t *testing.T) {
	p := filepath.Join(t.TempDir(), "x", "s.db")
	s, err := Open(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(context.Background(), func(tx store.Tx) error {
		d := tx.Directory("a")
		if err := d.PutUser(store.User{ID: "u", UserName: "U", Emails: []string{"a@b"}}); err != nil {
			return err
		}
		if err := d.PutGroup(store.Group{ID: "g", DisplayName: "G"}); err != nil {
			return err
		}
		_, err := d.AddMember("g", "u")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(p, Options{}); err == nil {
		t.Fatal("twice")
	} else {
		t.Log(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(p, Options{}); err != nil {
		t.Fatal(err)
	}
	s.View(context.Background(), func(tx store.Tx) error {
		u, err := tx.Directory("a").FindUsers(store.ByUserName, "u")
		t.Log(u, err, tx.IdPs())
		for m, err := range tx.Directory("a").Members("g") {
			t.Log(m, err)
		}
		return nil
	})
	s.Close()
}

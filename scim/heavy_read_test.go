package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/store"
)

// slow is a store that takes a tenth of a second for every user that it lists, and as long for a
// membership.
type slow struct {
	store.Store
	listed *atomic.Int64
}

func (s slow) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(slowTx{tx, s.listed}) })
}

type slowTx struct {
	store.Tx
	listed *atomic.Int64
}

func (t slowTx) Directory(idp string) store.Directory {
	return slowDirectory{t.Tx.Directory(idp), t.listed}
}

type slowDirectory struct {
	store.Directory
	listed *atomic.Int64
}

func (d slowDirectory) Users(from store.From) iter.Seq2[store.User, error] {
	return slowed(d.Directory.Users(from), d.listed)
}

func (d slowDirectory) Members(group string) iter.Seq2[store.Member, error] {
	return slowed(d.Directory.Members(group), d.listed)
}

func slowed[T any](all iter.Seq2[T, error], listed *atomic.Int64) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for one, err := range all {
			listed.Add(1)
			time.Sleep(time.Second / 10)
			if !yield(one, err) {
				return
			}
		}
	}
}

func TestListTakesTooLong(t *testing.T) {
	const many = 1000
	var listed atomic.Int64
	within(t, scim.Server{}, func(s store.Store) store.Store { return slow{s, &listed} }, func(t *testing.T, s store.Store, send sender) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			d, members := tx.Directory("acme"), []string{}
			for i := range many {
				name := fmt.Sprintf("user%d@example.com", i)
				if err := d.PutUser(store.User{ID: fmt.Sprint("u", i), UserName: name, Active: true, Version: 1, Attributes: json.RawMessage(`{"userName":"` + name + `","active":true}`)}); err != nil {
					return err
				}
				members = append(members, fmt.Sprint("u", i))
			}
			if err := d.PutGroup(store.Group{ID: "g", DisplayName: "G", Version: 1, Attributes: json.RawMessage(`{"displayName":"G"}`)}); err != nil {
				return err
			}
			_, err := d.AddMembers("g", members...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			path    string
			refused bool
		}{
			"a filter over everybody":      {"/Users?filter=title%20pr", true},
			"an order of everybody":        {"/Users?sortBy=title", true},
			"a filter over all members":    {"/Groups?filter=members.value%20co%20%22zzz%22", true},
			"all members of what is found": {"/Groups?filter=displayName%20eq%20%22G%22", true},
			"a page without a filter":      {"/Users?count=5", false},
			"a filter with an index":       {"/Users?filter=userName%20eq%20%22user7@example.com%22", false},
		} {
			begun := time.Now()
			got := send(t.Context(), acmeToken, "GET", c.path, nil)
			refused := got.Code == http.StatusBadRequest && strings.Contains(got.Body.String(), `"tooMany"`)
			if took := time.Since(begun); refused != c.refused || !refused && got.Code != 200 || took > 15*time.Second {
				t.Errorf("%s: %d after %s: %.200s", name, got.Code, took, got.Body)
			}
		}
	})
}

func TestListEndsWhenClientLeaves(t *testing.T) {
	const many = 1000
	var listed atomic.Int64
	within(t, scim.Server{ScanTime: time.Hour}, func(s store.Store) store.Store { return slow{s, &listed} }, func(t *testing.T, s store.Store, send sender) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			members := []string{}
			for i := range many {
				members = append(members, fmt.Sprint("m", i))
				name := fmt.Sprintf("user%d@example.com", i)
				if err := tx.Directory("acme").PutUser(store.User{ID: fmt.Sprint("u", i), UserName: name, Version: 1, Attributes: json.RawMessage(`{"userName":"` + name + `"}`)}); err != nil {
					return err
				}
			}
			if err := tx.Directory("acme").PutGroup(store.Group{ID: "g", DisplayName: "G", Version: 1, Attributes: json.RawMessage(`{"displayName":"G"}`)}); err != nil {
				return err
			}
			_, err := tx.Directory("acme").AddMembers("g", members...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/Users?filter=title%20pr", "/Users?sortBy=title", "/Groups?filter=members.value%20co%20%22zzz%22", "/Groups/g"} {
			listed.Store(0)
			ctx, leave := context.WithTimeout(t.Context(), 5*time.Second)
			send(ctx, acmeToken, "GET", path, nil)
			leave()
			if n := listed.Load(); n > 100 {
				t.Errorf("%s: %d more were read after the client had left", path, n-50)
			}
		}
	})
}

func TestHeavyListsTakeTurns(t *testing.T) {
	var listed atomic.Int64
	within(t, scim.Server{ScanTime: time.Hour}, func(s store.Store) store.Store { return slow{s, &listed} }, func(t *testing.T, s store.Store, send sender) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for _, idp := range []string{"acme", "other"} {
				for i := range 200 { // twenty seconds
					name := fmt.Sprintf("user%d@example.com", i)
					if err := tx.Directory(idp).PutUser(store.User{ID: fmt.Sprint("u", i), UserName: name, Version: 1, Attributes: json.RawMessage(`{"userName":"` + name + `"}`)}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		codes := make(chan int, 100)
		for range cap(codes) {
			go func() { codes <- send(t.Context(), acmeToken, "GET", "/Users?filter=title%20pr", nil).Code }()
		}
		synctest.Wait()
		if got := send(t.Context(), otherToken, "GET", "/Users?filter=title%20pr", nil); got.Code != 200 {
			t.Errorf("of another identity provider: %d %s", got.Code, got.Body)
		}
		if got := send(t.Context(), acmeToken, "GET", "/Users?filter=userName%20eq%20%22user7@example.com%22", nil); got.Code != 200 {
			t.Errorf("with an index: %d %s", got.Code, got.Body)
		}
		all := map[int]int{}
		for range cap(codes) {
			all[<-codes]++
		}
		if all[200] != 2 || all[429] != 98 {
			t.Errorf("%v", all)
		}
	})
}

package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// madeUp puts a group into a directory with members that are no users.
func madeUp(t *testing.T, s store.Store, idp, id string, n int) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		d := tx.Directory(idp)
		values := []string{"u"}
		for i := range n {
			values = append(values, fmt.Sprintf("%s-made-up-%d", id, i))
		}
		_, gone := d.Group(id)
		var err error
		if gone != nil {
			err = d.PutGroup(store.Group{ID: id, DisplayName: "Group " + id})
		}
		_, add := d.AddMembers(id, values...)
		return errors.Join(err, d.PutUser(store.User{ID: "u", UserName: "u"}), add)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// broken is a store that cannot be read.
type broken struct{ store.Store }

func (broken) View(context.Context, func(store.Tx) error) error { return errors.New("away") }

func TestMembersWithoutUser(t *testing.T) {
	c, server := newConsole(t)
	c.Key = backend.NewSecret("canary-key-of-the-operator-for-tests")
	madeUp(t, c.Store, "okta", "g1", 3)
	madeUp(t, c.Store, "okta", "g2", 0)
	madeUp(t, c.Store, "entra", "g1", 1)
	metrics := func(want ...string) {
		t.Helper()
		status, body, _ := get(t, server.URL+"/metrics")
		for _, m := range want {
			if status != 200 || !strings.Contains(body, "scimbridge_members_without_user"+m+"\n") {
				t.Errorf("%d without %s", status, m)
			}
		}
		if strings.Contains(body, `group="g2"`) {
			t.Error("a group without such members is named")
		}
	}
	metrics(`{group="g1",idp="okta"} 3`, `{group="g1",idp="entra"} 1`, `{group="other",idp="okta"} 0`)
	var s Status
	call(t, c, server.URL+"/api/status", &s)
	for _, p := range s.IdentityProviders {
		want := map[string]string{"okta": `{3 1 [{g1 Group g1 3}]}`, "entra": `{1 1 [{g1 Group g1 1}]}`}[p.Name]
		if got := fmt.Sprint(p.UnknownMembers); got != want {
			t.Errorf("%s: %s", p.Name, got)
		}
	}
	madeUp(t, c.Store, "okta", "g1", 4)
	metrics(`{group="g1",idp="okta"} 4`)
	t.Run("a store that cannot be read leaves the last count", func(t *testing.T) {
		u := c.Metrics.unknown
		whole := u.store
		u.store = broken{whole}
		defer func() { u.store = whole }()
		metrics(`{group="g1",idp="okta"} 4`)
	})
	t.Run("many ids are not read at every scrape", func(t *testing.T) {
		now := time.Now()
		c.Metrics.unknown.many, c.Metrics.unknown.now = 3, func() time.Time { return now }
		metrics(`{group="g1",idp="okta"} 4`)
		madeUp(t, c.Store, "okta", "g1", 5)
		metrics(`{group="g1",idp="okta"} 4`)
		now = now.Add(recountAfter)
		metrics(`{group="g1",idp="okta"} 5`)
	})
	t.Run("a count that takes long is good for longer", func(t *testing.T) {
		now := time.Now().Add(time.Hour)
		c.Metrics.unknown.now = func() time.Time { now = now.Add(time.Second); return now }
		metrics(`{group="g1",idp="okta"} 5`)
		madeUp(t, c.Store, "okta", "g1", 6)
		now = now.Add(recountAfter)
		metrics(`{group="g1",idp="okta"} 5`)
		now = now.Add(maxCounting * time.Second)
		metrics(`{group="g1",idp="okta"} 6`)
	})
	t.Run("while another count goes on the last is shown", func(t *testing.T) {
		c.Metrics.unknown.many = 1000
		c.Metrics.unknown.counting.Lock()
		defer c.Metrics.unknown.counting.Unlock()
		metrics(`{group="g1",idp="okta"} 6`)
	})
}

func TestMembersWithoutUserInManyGroups(t *testing.T) {
	c, server := newConsole(t)
	c.Key = backend.NewSecret("canary-key-of-the-operator-for-tests")
	for i := range maxUnknownGroups + 5 {
		madeUp(t, c.Store, "okta", fmt.Sprintf("g%03d", i), 1+i/100)
	}
	_, body, _ := get(t, server.URL+"/metrics")
	if n := strings.Count(body, "\nscimbridge_members_without_user{"); n != maxUnknownGroups+1 || !strings.Contains(body, `scimbridge_members_without_user{group="other",idp="okta"} 5`) ||
		!strings.Contains(body, `scimbridge_members_without_user{group="g104",idp="okta"} 2`) {
		t.Errorf("%d groups", n)
	}
	var s Status
	call(t, c, server.URL+"/api/status", &s)
	if u := s.IdentityProviders[0].UnknownMembers; u.Members != 110 || u.Groups != 105 || len(u.Largest) != 100 || u.Largest[0].Count != 2 {
		t.Errorf("%+v", u)
	}
}

func TestGroupShow(t *testing.T) {
	c, server := newConsole(t)
	c.Key = backend.NewSecret("canary-key-of-the-operator-for-tests")
	madeUp(t, c.Store, "okta", "g1", 25)
	madeUp(t, c.Store, "entra", "g1", 0)
	var all []GroupStatus
	for _, name := range []string{"g1", "Group%20g1", "group%20G1"} {
		call(t, c, server.URL+"/api/group?name="+name, &all)
		if len(all) != 2 || all[0].IdP != "entra" || all[0].Unknown != 0 || all[1].IdP != "okta" || all[1].Members != 26 || all[1].Users != 1 || all[1].Unknown != 25 || len(all[1].Examples) != 20 {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

// call asks the operator API.
func call(t *testing.T, c *Console, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key.Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d", url, res.StatusCode)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

package virustotal_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/backendtest"
	"github.com/scimbridge/scimbridge/backend/virustotal"
	"github.com/scimbridge/scimbridge/backend/virustotal/simulator"
)

func newClient(t *testing.T, url string) backend.Backend {
	t.Helper()
	c, err := virustotal.New(virustotal.Config{Caller: backend.Caller{URL: url}, APIKey: backend.NewSecret(backendtest.Secret)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContract(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{New: newClient, Prepare: func(http.ResponseWriter, *http.Request) bool { return false }})
}

func TestAllProfiles(t *testing.T) {
	for _, profile := range []string{"strict", "lenient", "partial"} {
		t.Run(profile, func(t *testing.T) {
			now := time.Now()
			sim := simulator.New(simulator.Options{Profile: profile, APIKey: backendtest.Secret, Now: func() time.Time { return now }})
			var ids []string
			for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"} {
				ids = append(ids, sim.AddPerson(n+"@Example.com"))
				sim.Join("g1", ids[len(ids)-1])
			}
			sim.Grant("g1", ids[0], "USER_ROLE_BY_HAND")
			srv := httptest.NewServer(sim)
			defer srv.Close()
			c := newClient(t, srv.URL)
			found, err := c.Resolve(t.Context(), "g1", nil)
			if err != nil || len(found) != len(ids) || found["m@example.com"].ID != ids[12] {
				t.Fatalf("found %v, %v", found, err)
			}
			change := func(op backend.Op, roles ...string) {
				t.Helper()
				_, err := c.Apply(t.Context(), backend.Delta{Target: "g1", Changes: []backend.Change{
					{Account: backend.Account{ID: ids[0]}, Op: op, Roles: roles}, {Account: backend.Account{ID: ids[1]}, Op: op, Roles: roles}}})
				if err != nil {
					t.Fatalf("%v: %v", op, err)
				}
				now = now.Add(3 * time.Second)
			}
			change(backend.Add, "USER_ROLE_X")
			change(backend.Add, "USER_ROLE_X") // documented: not an error
			if got := sim.Roles("a@example.com"); !slices.Equal(got, []string{"g1 USER_ROLE_BY_HAND", "g1 USER_ROLE_X"}) {
				t.Errorf("a holds %v", got)
			}
			o, err := c.Observe(t.Context(), "g1")
			if err != nil || !o.Complete || o.Roles == (profile == "strict") {
				t.Errorf("observed %+v, %v", o, err)
			}
			if has, known := o.Has(ids[1], "USER_ROLE_X"); known && !has {
				t.Error("a shown role is not seen")
			}
			sim.Grant("g1", ids[2], "USER_ROLE_GROUP_ADMIN")
			now = now.Add(3 * time.Second)
			o, err = c.Observe(t.Context(), "g1")
			if has, known := o.Has(ids[2], "USER_ROLE_GROUP_ADMIN"); err != nil || !has || !known {
				t.Errorf("an administrator: %v, %v, %v", has, known, err)
			}
			if has, known := o.Has(ids[3], "USER_ROLE_GROUP_ADMIN"); has || !known {
				t.Errorf("an account that is none: %v, %v", has, known)
			}
			change(backend.Remove, "USER_ROLE_X")
			if got := sim.Roles("a@example.com"); !slices.Equal(got, []string{"g1 USER_ROLE_BY_HAND"}) {
				t.Errorf("a holds %v", got)
			}
			change(backend.Replace, "USER_ROLE_Y")
			if got := sim.Roles("a@example.com"); !slices.Equal(got, []string{"g1 USER_ROLE_Y"}) {
				t.Errorf("a holds %v", got)
			}
		})
	}
}

// The profiles differ in the invitation of a member and the removal of the last administrator.
func TestProfileRefusals(t *testing.T) {
	for profile, refused := range map[string]backend.ErrorKind{"strict": backend.Rejected, "lenient": 0, "partial": backend.Unauthorized} {
		sim := simulator.New(simulator.Options{Profile: profile, APIKey: backendtest.Secret})
		a, b := sim.AddPerson("a@example.com"), sim.AddPerson("b@example.com")
		for _, id := range []string{a, b} {
			sim.Grant("g1", id, "USER_ROLE_GROUP_ADMIN")
		}
		srv := httptest.NewServer(sim)
		defer srv.Close()
		c := newClient(t, srv.URL)
		if err := c.Invite(t.Context(), "g1", "a@example.com"); err != nil {
			t.Errorf("%s: an invitation of a member: %v", profile, err)
		}
		for i, want := range []backend.ErrorKind{0, refused} {
			_, err := c.Apply(t.Context(), backend.Delta{Target: "g1", Changes: []backend.Change{
				{Account: backend.Account{ID: []string{a, b}[i]}, Op: backend.Remove, Roles: []string{"USER_ROLE_GROUP_ADMIN"}}}})
			if want == 0 && err != nil || want != 0 && backend.KindOf(err) != want {
				t.Errorf("%s: administrator %d: %v", profile, i, err)
			}
		}
	}
}

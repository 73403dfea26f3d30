package audit_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/audit"
	"github.com/scimbridge/scimbridge/store/nearest"
)

func TestFilter(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	update(t, s, func(tx store.Tx) error {
		return errors.Join(
			tx.Directory("okta").PutUser(store.User{ID: "u1", UserName: "ada", ExternalID: "x1", Emails: []string{"Ada@example.com"}}),
			tx.Directory("okta").PutUser(store.User{ID: "u2", UserName: "bob"}),
			tx.Accounts("vt").PutLink(store.Link{IdP: "okta", User: "u1", Key: "ada@example.com", Account: "acc1"}))
	})
	happened(t, s,
		store.Event{Type: "user.create", IdP: "okta", Subject: "u1", Name: "ada", Detail: "1"},
		store.Event{Type: "user.create", IdP: "okta", Subject: "u2", Name: "bob", Detail: "2"},
		store.Event{Type: "group.members", IdP: "okta", Subject: "g", Name: "ada", Added: []string{"u2", "u1"}, Request: "q", Detail: "3"},
		store.Event{Type: "group.members", IdP: "okta", Subject: "g", Name: "ada", Removed: []string{"u2"}, Detail: "4"},
		store.Event{Type: "grant", Backend: "vt", Target: "t", Account: "acc1", Role: "ADMIN", Name: "old@example.com", Request: "q", Detail: "5"},
		store.Event{Type: "grant", Backend: "rc", Target: "t", Account: "acc1", Role: "member", Name: "bob@example.com", Detail: "6"},
		store.Event{Type: "grant", Backend: "rc", Target: "T2", Account: "acc9", Role: "member", Name: "ada@EXAMPLE.com", Detail: "7"},
		store.Event{Type: "user.create", IdP: "entra", Subject: "u9", Name: "eve", After: `{"userName":"eve","emails":[{"value":"eve@example.com"}]}`, Detail: "8"},
		store.Event{Type: "revoke", Backend: "vt", Target: "t", Account: "acc7", Role: "ADMIN", Name: "Eve@example.com", Detail: "9"},
		store.Event{Type: "user.patch", IdP: "entra", Subject: "u9", Name: "eva", Before: `{"userName":"eve"}`, Detail: "a"},
	)
	for range 2 {
		for _, test := range []struct {
			what string
			f    audit.Filter
			want string
		}{
			{"all", audit.Filter{}, "123456789a"},
			{"userName", audit.Filter{Person: "ADA"}, "1357"},
			{"e-mail address", audit.Filter{Person: "ada@example.com"}, "1357"},
			{"externalId", audit.Filter{Person: "x1"}, "1357"},
			{"id", audit.Filter{Person: "u1"}, "1357"},
			{"account", audit.Filter{Person: "acc9"}, "7"},
			{"a deleted user", audit.Filter{Person: "eve"}, "89a"},
			{"role", audit.Filter{Role: "admin"}, "59"},
			{"role of a target", audit.Filter{Role: "T2"}, "7"},
			{"backend", audit.Filter{Backend: "rc"}, "67"},
			{"request", audit.Filter{Request: "q"}, "35"},
			{"since", audit.Filter{Since: start.Add(8 * time.Second)}, "9a"},
			{"until", audit.Filter{Until: start.Add(time.Second)}, "1"},
			{"all of it", audit.Filter{Person: "ada", Role: "member", Backend: "rc", Since: start, Until: start.Add(time.Hour)}, "7"},
		} {
			got := ""
			for _, l := range exported(t, s, test.f) {
				if _, rest, ok := strings.Cut(l, `"detail":"`); ok {
					got += rest[:1]
				}
			}
			if got != test.want {
				t.Errorf("%s: got %q, want %q", test.what, got, test.want)
			}
		}
		for _, f := range []audit.Filter{{Person: "ad"}, {Role: "admi"}, {Backend: "r"}, {Type: "gran"}} {
			var out strings.Builder
			err := audit.Export(t.Context(), s, f, &out)
			if unknown := new(nearest.UnknownError); !errors.As(err, &unknown) || len(unknown.Nearest) == 0 || out.Len() > 0 {
				t.Errorf("%+v: %v %q", f, err, out.String())
			}
		}
		if got := strings.Join(exported(t, s, audit.Filter{Backend: "new", Configured: true}), ""); got != "" {
			t.Errorf("of a backend without events: %s", got)
		}
		seal(t, s) // events without a place are filtered in the same way
	}
}

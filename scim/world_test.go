package scim_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// Ids of the seed that appear in the corpus.
const (
	ada      = "23a35c27-23d3-4c03-b4c5-6443c09e7173"
	grace    = "89bb1940-b905-4575-9e7f-6f887cfb368e"
	linus    = "f648f8d5ea4e4cd38e9c"
	margaret = "7f4bc1a3-285e-48ae-8202-5accb43efb0e"
)

const (
	acmeToken  = "canary-acme-token-of-some-length"
	otherToken = "canary-other-token-of-some-length"
)

// world is a server over a store of its own. Membership of a group counts at backend vt, target
// "t-" and its name.
type world struct {
	t      testing.TB
	store  *bolt.Store
	server *httptest.Server
	clock  atomic.Int64 // seconds since the epoch of the test
	ids    atomic.Int64
	nudged atomic.Int64
	others []string // backends with other rules

	clears  bool     // a PUT of a group without members empties it
	puts    []string // of groups: what was noted after the commit
	ignored []string // attributes
}

// testRules are rules of a test. Functions may be nil.
type testRules struct {
	targets func(store.Group) []mapping.Target
	others  func() []string
}

func (r testRules) Targets(_ string, g store.Group) []mapping.Target { return r.targets(g) }

func (testRules) Conditional() bool { return false }

func (testRules) GroupNamed(store.Tx, string, store.Group, store.Group, store.Origin) error {
	return nil
}

func (r testRules) OtherRules(store.Tx) []string {
	if r.others == nil {
		return nil
	}
	return r.others()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "scim.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s}
	srv := &scim.Server{
		Store: s, PublicURL: "https://scim.example.com/scim/v2",
		Auth: auth.Verifier{Credentials: []auth.Credential{
			{IdP: "acme", Hash: sha256.Sum256([]byte(acmeToken))}, {IdP: "other", Hash: sha256.Sum256([]byte(otherToken))}}},
		Rules: testRules{
			targets: func(g store.Group) []mapping.Target {
				return []mapping.Target{{Backend: "vt", Target: "t-" + g.DisplayName}}
			},
			others: func() []string { return w.others },
		},
		Nudge: func(string) { w.nudged.Add(1) },
		Ignored: func(idp, resource string, attributes []string) {
			w.ignored = append(w.ignored, fmt.Sprint(idp, " ", resource, " ", attributes))
		},
		ClearsMembers: func(string) bool { return w.clears },
		PutMembers: func(_ store.Tx, idp string, omitted bool, _ time.Time) (func(), error) {
			return func() { w.puts = append(w.puts, fmt.Sprint(idp, " omitted ", omitted)) }, nil
		},
		Now:   func() time.Time { return time.Unix(1_767_225_600+w.clock.Load(), 0) },
		NewID: func() string { return fmt.Sprintf("new-%d", w.ids.Add(1)) },
	}
	if t, ok := t.(*testing.T); ok { // a benchmark does not log
		srv.Log = canary.Log(t)
	}
	w.server = httptest.NewServer(srv.Handler())
	t.Cleanup(func() {
		w.server.Close()
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// seed puts in a directory: fourteen complete users and a group.
func (w *world) seed() {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error {
		d := tx.Directory("acme")
		for i, u := range []store.User{
			{ID: ada, UserName: "ada@example.com"}, {ID: grace, UserName: "grace@example.com"}, {ID: linus, UserName: "linus@example.com"},
			{ID: margaret, UserName: "margaret@example.com"}, {ID: "uid", UserName: "u@example.com"}, {ID: "u1", UserName: "u1@example.com"},
			{ID: "u2", UserName: "u2@example.com"}, {ID: "u3", UserName: "u3@example.com"},
			{ID: "a0a0a0a0-0000-4000-8000-000000000001", UserName: "managed@example.com"}, {ID: "00aa00aa-0000-4000-8000-000000000002", UserName: "boss@example.com"},
			{ID: "e02", UserName: "test_user"}, {ID: "e03", UserName: "joy@example.com", ExternalID: "jyoung"},
			{ID: "e04", UserName: "user@contoso.com"}, {ID: "e05", UserName: "my@email"},
		} {
			u.Active, u.Version, u.Created, u.Modified = true, 1, time.Unix(1_767_225_600, 0).UTC(), time.Unix(1_767_225_600, 0).UTC()
			attrs := map[string]any{
				"userName": u.UserName, "displayName": fmt.Sprint("Person ", i), "active": true, "name": map[string]any{"givenName": fmt.Sprint("Given", i), "familyName": fmt.Sprint("Family", i)},
				"emails": []any{map[string]any{"value": u.UserName, "type": "work", "primary": true}},
			}
			if u.ExternalID != "" {
				attrs["externalId"] = u.ExternalID
			}
			if strings.HasPrefix(u.UserName, "managed") {
				attrs["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = map[string]any{"manager": map[string]any{"value": "00aa00aa-0000-4000-8000-000000000002"}}
			}
			u.Emails = []string{u.UserName}
			var err error
			if u.Attributes, err = json.Marshal(attrs); err != nil {
				return err
			}
			if err := d.PutUser(u); err != nil {
				return err
			}
		}
		at := time.Unix(1_767_225_600, 0).UTC()
		if err := d.PutGroup(store.Group{ID: "gid", DisplayName: "VT Admins", Version: 1, Created: at, Modified: at, Attributes: json.RawMessage(`{"displayName":"VT Admins"}`)}); err != nil {
			return err
		}
		for _, m := range []string{linus, margaret, grace, "u3", "not-yet-a-user"} {
			if _, err := d.AddMembers("gid", m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock.Store(60)
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// json reads the body as an object.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return out
}

// do sends a request with acme's token; header holds pairs of further headers.
func (w *world) do(method, path, body string, header ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+"/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+acmeToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := w.server.Client().Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode >= 400 {
		canary.Clean(w.t, method+" "+path, string(got))
	}
	return answer{res.StatusCode, res.Header, got}
}

// must sends and fails the test unless the status is want.
func (w *world) must(want int, method, path, body string, header ...string) answer {
	w.t.Helper()
	a := w.do(method, path, body, header...)
	if a.status != want {
		w.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, want, a.body)
	}
	return a
}

// state is what a directory holds, as comparable text.
type state struct {
	members map[string][]string
	active  map[string]bool
	marks   []string
	events  []string
	all     string
}

func (w *world) state() state {
	w.t.Helper()
	var st state
	err := w.store.View(w.t.Context(), func(tx store.Tx) error {
		st = state{members: map[string][]string{}, active: map[string]bool{}}
		var b bytes.Buffer
		d := tx.Directory("acme")
		for u, err := range d.Users(store.From{}) {
			if err != nil {
				return err
			}
			st.active[u.ID] = u.Active
			fmt.Fprintf(&b, "%+v\n", u)
		}
		for g, err := range d.Groups(store.From{}) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%+v\n", g)
			for m, err := range d.Members(g.ID) {
				if err != nil {
					return err
				}
				st.members[g.ID] = append(st.members[g.ID], m.Value)
			}
			slices.Sort(st.members[g.ID])
			fmt.Fprintln(&b, st.members[g.ID])
		}
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil {
				return err
			}
			st.marks = append(st.marks, m.Target+" "+m.Subject.User+m.Subject.Account)
		}
		slices.Sort(st.marks)
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			st.events = append(st.events, fmt.Sprintf("%s %s added %v removed %v", e.Type, e.Subject, e.Added, e.Removed))
		}
		st.all = b.String()
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// delta lists what a group gained and lost from one state to the next.
func delta(before, after state, group string) []string {
	out := []string{}
	for _, m := range after.members[group] {
		if !slices.Contains(before.members[group], m) {
			out = append(out, "+"+m)
		}
	}
	for _, m := range before.members[group] {
		if !slices.Contains(after.members[group], m) {
			out = append(out, "-"+m)
		}
	}
	slices.Sort(out)
	return out
}
